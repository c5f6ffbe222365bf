"""What the Python bindings say, without their library and without trusting this process."""

from __future__ import annotations

import ast
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llamaproof.abi.interface import (
    Constant,
    Field,
    Function,
    Interface,
    Record,
    Type,
    type_from_json,
)
from llamaproof.errors import BadInput
from llamaproof.workers.worker import Worker

_WORKER = Worker(
    module="llamaproof.abi.bindings_worker",
    failed="the bindings ended the process that imported them",
    silence_limit_s=120.0,
    hint="import the modules by hand to see why",
    vouched_for=False,
)
_BINDING_NAME = re.compile(r"^\w*_cpp(_\w+)?$")
_BINDING_CALL = re.compile(r"load_shared_library|\w*ctypes_function\w*|CDLL|LoadLibrary")
_BINDING_BASES = {"Structure", "Union"}


def find_package(folder: Path) -> Path:
    """The folder of the binding modules: `folder` itself, or llama_cpp in it.

    Raises:
        BadInput: there is no binding module in either.
    """
    for candidate in (folder / "llama_cpp", folder):
        if candidate.is_dir() and binding_modules(candidate):
            return candidate
    raise BadInput(
        f"no ctypes bindings in {folder}",
        hint="give an unpacked sdist, or the llama_cpp folder that holds llama_cpp.py",
    )


def binding_modules(package: Path) -> tuple[str, ...]:
    """Names of the modules that declare structs, or take functions from a library."""
    return tuple(sorted(path.stem for path in package.glob("*.py") if _is_binding(path)))


def read_bindings(package: Path, *, symbols: Iterable[str] | None) -> Interface:
    """Import every binding module in a worker process and describe what it says.

    Args:
        package: folder of the modules.
        symbols: names the libraries have. Where a module picks among several spellings of a
            name, it picks as it would with the real library; a module that finds a name missing
            is read as if none were. None: the first spelling, always.

    Raises:
        BadInput: a module cannot be imported.
        CommandFailed: the worker was killed or fell silent.
    """
    modules = binding_modules(package)
    names = None if symbols is None else sorted(set(symbols))
    answer = _ask_worker(package, modules, names)
    if answer["failed"]:
        name, reason = next(iter(answer["failed"].items()))
        raise BadInput(
            f"bindings module {name} cannot be imported: {reason}",
            where=package / f"{name}.py",
            hint="mend the module; nothing about it can be checked before it imports",
        )
    return _interface(answer)


def _is_binding(path: Path) -> bool:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (SyntaxError, ValueError, UnicodeDecodeError) as error:
        if _BINDING_NAME.match(path.stem):
            raise BadInput(
                f"bindings module {path.stem} is not readable Python: {error}", where=path
            ) from error
        return False
    return any(_binds(node) for node in tree.body)


def _binds(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ClassDef):
        return any(_last_name(base) in _BINDING_BASES for base in statement.bases)
    if isinstance(statement, ast.FunctionDef):
        return any(_BINDING_CALL.fullmatch(_called_name(d)) for d in statement.decorator_list)
    if isinstance(statement, ast.Assign):
        return _BINDING_CALL.fullmatch(_called_name(statement.value)) is not None
    return False


def _called_name(node: ast.expr) -> str:
    return _last_name(node.func) if isinstance(node, ast.Call) else ""


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _ask_worker(
    package: Path, modules: Sequence[str], symbols: Sequence[str] | None
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        job = {
            "package": "llama_cpp",
            "folder": str(package.resolve()),
            "modules": list(modules),
            "symbols": None if symbols is None else list(symbols),
        }
        return _WORKER.ask(job, Path(scratch), about=package, env=os.environ)


def _interface(answer: Mapping[str, Any]) -> Interface:
    functions = [_function(item) for item in answer["functions"]]
    return Interface(
        records={key: _record(item) for key, item in answer["records"].items()},
        functions={f"{f.module}:{f.symbol}": f for f in functions},
        constants={
            name: Constant(name=name, module=module, value=value)
            for module, name, value in answer["constants"]
        },
        typedefs={name: type_from_json(item) for _, name, item in answer["aliases"]},
        modules={name: tuple(libraries) for name, libraries in answer["libraries"].items()},
    )


def _function(item: Mapping[str, Any]) -> Function:
    modules = [module for module, _ in item["bound_as"]]
    args = item["args"]
    return Function(
        name=item["symbol"],
        symbol=item["symbol"],
        module=modules[0] if modules else item["owner"],
        result=_optional_type(item["result"]),
        args=None if args is None else tuple(type_from_json(arg) for arg in args),
        bound_as=tuple(name for _, name in item["bound_as"]),
        libraries=(item["library"],),
    )


def _optional_type(item: Mapping[str, Any] | None) -> Type | None:
    return None if item is None else type_from_json(item)


def _record(item: Mapping[str, Any]) -> Record:
    return Record(
        name=item["name"],
        kind=item["kind"],
        module=item["module"],
        size=item["size"],
        align=item["align"],
        complete=item["complete"],
        fields=tuple(
            Field(
                name=field["name"],
                type=type_from_json(field["type"]),
                offset=field["offset"],
                bits=field["bits"],
                first_bit=field["first_bit"],
            )
            for field in item["fields"]
        ),
    )

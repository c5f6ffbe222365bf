"""Import binding modules on a stand-in library loader, and say in JSON what ctypes made of them.

Run as a script, in an interpreter of its own, with nothing but the standard library:
    python -I -S -B bindings_worker.py JOB RESULT

The job holds: `folder` (of the package), `package` (its name), `modules` (to import), and
`symbols`: names the libraries have, or null. With names, a lookup of any other one fails as it
would in the real loader, and a module whose import that ends is imported again without; with
null, every lookup succeeds and is recorded.

This module must not import llamaproof: it runs beside code that nobody has vouched for.
"""

from __future__ import annotations

import ast
import ctypes
import enum
import importlib
import importlib.abc
import importlib.machinery
import json
import os
import re
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

_LIBRARY_FILE = re.compile(r"^lib[\w+-]+\.so(\.\d+)*$")
_CONSTANT = re.compile(r"^[A-Z][A-Z0-9_]*$")
_DUNDER = re.compile(r"^__.*__$")
_MAX_DEPTH = 12

# ctypes gives these two base classes no public name.
_SimpleData: Any = ctypes.c_int.__mro__[1]
_FuncPointer: Any = ctypes.CFUNCTYPE(None).__mro__[1]
_Pointer: Any = ctypes.POINTER(ctypes.c_int).__mro__[1]
_RECORDS = (ctypes.Structure, ctypes.Union)

# One-letter codes of ctypes' simple types (the _type_ attribute).
_SIGNED_INTS = frozenset("bhilqn")
_UNSIGNED_INTS = frozenset("BHILQN")
_FLOATS = frozenset("fdg")
_NEVER: Any = object()

Json = dict[str, Any]


class Computed(int):
    """A number a stand-in function returned: the real one is known at run time alone."""


class FakeFunction:
    """A function that can be declared and called, and does nothing."""

    def __init__(self, name: str) -> None:
        self.symbol = name
        self.__name__ = name
        self.argtypes: Any = _NEVER
        self.restype: Any = _NEVER
        self.errcheck: Any = None
        self.is_called = False

    def __setattr__(self, key: str, value: Any) -> None:
        if key == "argtypes" and value is not _NEVER and value is not None:
            value = tuple(value)
            for position, kind in enumerate(value):
                if not hasattr(kind, "from_param"):
                    raise TypeError(f"item {position + 1} in _argtypes_ has no from_param method")
        self.__dict__[key] = value

    def __call__(self, *_args: Any) -> Any:
        self.is_called = True
        kind = self.restype
        if kind is _NEVER:
            return Computed(0)
        if isinstance(kind, type) and issubclass(kind, _SimpleData):
            value = kind().value
            return Computed(value) if isinstance(value, int) else value
        return kind() if isinstance(kind, type) else None


class FakeLibrary:
    """A library that has every function, or just those of a list."""

    opened: ClassVar[list[FakeLibrary]] = []
    symbols: ClassVar[frozenset[str] | None] = None

    def __init__(self, name: object = None, *_args: Any, **_kwargs: Any) -> None:
        self._name = str(name)
        self._handle = 1
        self.functions: dict[str, FakeFunction] = {}
        FakeLibrary.opened.append(self)

    def __getattr__(self, name: str) -> FakeFunction:
        if _DUNDER.match(name):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> FakeFunction:
        if FakeLibrary.symbols is not None and name not in FakeLibrary.symbols:
            raise AttributeError(f"{self._name}: undefined symbol: {name}")
        if name not in self.functions:
            self.functions[name] = FakeFunction(name)
        return self.functions[name]

    @property
    def base_name(self) -> str:
        return re.sub(r"^lib|\.so.*$", "", Path(self._name).name)


class StandInModule(types.ModuleType):
    """A third-party module of which only the names exist."""

    def __getattr__(self, name: str) -> Any:
        if _DUNDER.match(name):
            raise AttributeError(name)
        return StandInObject(f"{self.__name__}.{name}")


class StandInObject:
    """Anything taken from a `StandInModule`: usable as class, function, decorator or type hint."""

    def __init__(self, name: object, *_args: Any, **_kwargs: Any) -> None:
        self._llamaproof_name = str(name)

    def __getattr__(self, name: str) -> Any:
        if _DUNDER.match(name):
            raise AttributeError(name)
        return StandInObject(f"{self._llamaproof_name}.{name}")

    def __call__(self, *args: Any, **_kwargs: Any) -> Any:
        only = args[0] if len(args) == 1 else None
        return only if callable(only) else self

    def __getitem__(self, _key: Any) -> Any:
        return self

    def __or__(self, _other: Any) -> Any:
        return self

    __ror__ = __or__

    def __mro_entries__(self, _bases: Any) -> tuple[type, ...]:
        return (object,)


class StandInFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The last finder: a stand-in for a module nobody else has, the package's own aside."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, fullname: str, _path: Any, _target: Any = None) -> Any:
        top = fullname.partition(".")[0]
        if top == self._package or top in sys.stdlib_module_names:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return StandInModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__path__ = []


def install_loader() -> None:
    """Make every way of opening a shared library open a `FakeLibrary`."""
    for name in ("CDLL", "PyDLL"):
        setattr(ctypes, name, FakeLibrary)
    for loader in (ctypes.cdll, ctypes.pydll):
        setattr(loader, "_dlltype", FakeLibrary)  # noqa: B010 (not in the type stubs)
    # Bindings look whether the file is there before they open it.
    for owner, name in (
        (os.path, "exists"),
        (os.path, "isfile"),
        (Path, "exists"),
        (Path, "is_file"),
    ):
        setattr(owner, name, _also_libraries(getattr(owner, name)))


def _also_libraries(exists: Any) -> Any:
    def exists_or_library(path: Any, *args: Any, **kwargs: Any) -> bool:
        name = os.fspath(path).rpartition("/")[2] if not isinstance(path, int) else ""
        return bool(_LIBRARY_FILE.match(name)) or bool(exists(path, *args, **kwargs))

    return exists_or_library


def import_all(
    package: str, folder: str, modules: Iterable[str]
) -> tuple[dict[str, types.ModuleType], dict[str, str]]:
    """Import the modules as members of a package whose __init__ never runs.

    Returns:
        The modules by name, and for those that could not be imported, why.
    """
    parent = types.ModuleType(package)
    parent.__path__ = [folder]
    sys.modules[package] = parent
    sys.meta_path.append(StandInFinder(package))
    loaded, failed = {}, {}
    for name in modules:
        try:
            loaded[name] = import_one(f"{package}.{name}")
        except BaseException as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return loaded, failed


def import_one(name: str) -> types.ModuleType:
    """Import a module; where a missing symbol stops it, once more with no symbol missing."""
    opened = len(FakeLibrary.opened)
    symbols = FakeLibrary.symbols
    try:
        return importlib.import_module(name)
    except AttributeError:
        if symbols is None:
            raise
    del FakeLibrary.opened[opened:]
    FakeLibrary.symbols = None
    try:
        return importlib.import_module(name)
    finally:
        FakeLibrary.symbols = symbols


class Describer:
    """Turns ctypes types into JSON, and remembers every record met on the way."""

    def __init__(self) -> None:
        self.records: dict[str, Json] = {}

    def type(self, kind: Any, depth: int = 0) -> Json:
        if kind is None:
            return {"kind": "void", "size": 0, "name": "None"}
        if depth > _MAX_DEPTH or not isinstance(kind, type):
            name = getattr(kind, "__name__", None) or type(kind).__name__
            return {"kind": "unknown", "size": 0, "name": name}
        if issubclass(kind, _RECORDS):
            return {
                "kind": "record",
                "size": ctypes.sizeof(kind),
                "name": kind.__name__,
                "record": self.record(kind),
            }
        if issubclass(kind, ctypes.Array):
            return self._array(kind, depth)
        if issubclass(kind, _FuncPointer):
            return self._function_pointer(kind, depth)
        if issubclass(kind, _Pointer):
            return self._pointer(kind, depth)
        if issubclass(kind, _SimpleData):
            return self._simple(kind)
        return {"kind": "unknown", "size": 0, "name": kind.__name__}

    def record(self, kind: Any) -> str:
        """Describe a Structure or Union once; returns the name it is kept under."""
        key = f"{kind.__module__}.{kind.__qualname__}"
        if key in self.records:
            return key
        fields: list[Json] = []
        self.records[key] = {
            "name": kind.__name__,
            "kind": "union" if issubclass(kind, ctypes.Union) else "struct",
            "module": kind.__module__.rpartition(".")[2],
            "size": ctypes.sizeof(kind),
            "align": ctypes.alignment(kind),
            "complete": hasattr(kind, "_fields_"),
            "fields": fields,
        }
        swapped = hasattr(kind, "_swappedbytes_")
        for base in reversed(kind.__mro__):
            for name, field_type, *bits in base.__dict__.get("_fields_", ()):
                described = self.type(field_type)
                if swapped:
                    described = {**described, "kind": "unknown", "name": "byte-swapped"}
                member = getattr(kind, name)
                fields.append(
                    {
                        "name": name,
                        "offset": member.offset,
                        "bits": bits[0] if bits else 0,
                        # ctypes packs the bit within the storage unit into the size.
                        "first_bit": 8 * member.offset + (member.size & 0xFFFF) if bits else 0,
                        "type": described,
                    }
                )
        return key

    def records_of(self, modules: frozenset[str]) -> None:
        """Describe every Structure and Union the modules define, used or not."""
        pending: list[Any] = list(_RECORDS)
        while pending:
            derived = pending.pop().__subclasses__()
            pending += derived
            for kind in derived:
                if kind.__module__ in modules:
                    self.record(kind)

    def result(self, restype: Any) -> Json | None:
        """A restype; None where none was declared."""
        if restype is _NEVER:
            return None
        if callable(restype) and not isinstance(restype, type):
            # ctypes reads an int and hands it to the callable.
            name = getattr(restype, "__name__", "a callable")
            return {**self._simple(ctypes.c_int), "name": f"c_int for {name}"}
        return self.type(restype)

    def _array(self, kind: Any, depth: int) -> Json:
        return {
            "kind": "array",
            "size": ctypes.sizeof(kind),
            "name": kind.__name__,
            "length": kind._length_,
            "target": self.type(kind._type_, depth + 1),
        }

    def _pointer(self, kind: Any, depth: int) -> Json:
        target = self.type(getattr(kind, "_type_", None), depth + 1)
        return {
            "kind": "pointer",
            "size": ctypes.sizeof(kind),
            "name": f"POINTER({target['name']})",
            "target": target,
        }

    def _function_pointer(self, kind: Any, depth: int) -> Json:
        args = [self.type(arg, depth + 1) for arg in getattr(kind, "_argtypes_", ())]
        result = self.type(getattr(kind, "_restype_", ctypes.c_int), depth + 1)
        name = f"CFUNCTYPE({', '.join(part['name'] for part in [result, *args])})"
        function = {"kind": "function", "size": 0, "name": name, "result": result, "args": args}
        return {"kind": "pointer", "size": ctypes.sizeof(kind), "name": name, "target": function}

    def _simple(self, kind: Any) -> Json:
        code = kind._type_
        described: Json = {"kind": "unknown", "size": ctypes.sizeof(kind), "name": kind.__name__}
        if code in _SIGNED_INTS or code in _UNSIGNED_INTS:
            described.update(kind="int", signed=code in _SIGNED_INTS)
        elif code in _FLOATS:
            described.update(kind="float", signed=True)
        elif code == "?":
            described.update(kind="bool")
        elif code == "c":
            described.update(kind="char", signed=True)
        elif code == "P":
            described.update(kind="pointer", target=self.type(None))
        elif code == "z":
            described.update(kind="pointer", target=self._simple(ctypes.c_char))
        elif code == "Z":
            described.update(kind="pointer", target=self._simple(ctypes.c_int32))
        return described


def describe(loaded: dict[str, types.ModuleType]) -> Json:
    """The JSON document of everything the modules bind, repeat and define."""
    describer = Describer()
    constants: list[list[Any]] = []
    aliases: list[list[Any]] = []
    bound: dict[int, list[list[str]]] = {}
    for module_name, module in loaded.items():
        for name, value in vars(module).items():
            if isinstance(value, FakeFunction):
                bound.setdefault(id(value), []).append([module_name, name])
            elif is_ctypes(value):
                aliases.append([module_name, name, describer.type(value)])
            else:
                constants += [
                    [module_name, *item] for item in constants_in(name, value, module.__name__)
                ]
    for module in loaded.values():
        mark_calls(module)
    describer.records_of(frozenset(module.__name__ for module in loaded.values()))
    return {
        "functions": [
            {
                **describe_function(function, describer),
                "bound_as": bound.get(id(function), []),
                "library": library.base_name,
                "owner": owner_of(library, loaded),
            }
            for library in FakeLibrary.opened
            for function in tuple(library.functions.values())
            if is_used(function) or id(function) in bound
        ],
        "constants": constants,
        "aliases": aliases,
        "records": describer.records,
        "libraries": {
            name: sorted({v.base_name for v in vars(module).values() if type(v) is FakeLibrary})
            for name, module in loaded.items()
        },
    }


def constants_in(name: str, value: Any, module: str) -> list[list[Any]]:
    """The constants a module-level name stands for: itself, or the members of an enum class."""
    if isinstance(value, type) and issubclass(value, enum.Enum):
        members = value if value.__module__ == module else ()
        return [[m.name, m.value] for m in members if isinstance(m.value, (int, float, str))]
    if isinstance(value, (bool, Computed)) or not _CONSTANT.match(name):
        return []
    if isinstance(value, bytes):
        return [[name, value.decode("utf-8", "replace")]]
    return [[name, value]] if isinstance(value, (int, float, str)) else []


def describe_function(fake: FakeFunction, describer: Describer) -> Json:
    """One bound function; result and arguments are null where nothing was declared."""
    undeclared = fake.argtypes is _NEVER or fake.argtypes is None
    return {
        "symbol": fake.symbol,
        "result": describer.result(fake.restype),
        "args": None if undeclared else [describer.type(kind) for kind in fake.argtypes],
    }


def mark_calls(module: types.ModuleType) -> None:
    """Mark functions called as `_lib.name(...)` in bodies that importing does not run."""
    held = {name: value for name, value in vars(module).items() if type(value) is FakeLibrary}
    source = Path(module.__file__ or "").read_text(encoding="utf-8")
    symbols, FakeLibrary.symbols = FakeLibrary.symbols, None
    try:
        for node in ast.walk(ast.parse(source)):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
                library = held.get(called.value.id)
                if library is not None:
                    library[called.attr].is_called = True
    finally:
        FakeLibrary.symbols = symbols


def owner_of(library: FakeLibrary, loaded: dict[str, types.ModuleType]) -> str:
    """The first module that holds the library: the one that opened it."""
    # By identity: to be compared, a library may be asked for attributes, and would have them.
    return next(
        (n for n, module in loaded.items() if any(v is library for v in vars(module).values())), ""
    )


def is_used(fake: FakeFunction) -> bool:
    """Whether a function was declared or called; one that was merely looked for is nobody's."""
    return fake.is_called or fake.argtypes is not _NEVER or fake.restype is not _NEVER


def is_ctypes(value: Any) -> bool:
    """Whether a module-level value is a ctypes type, other than ctypes' own base classes."""
    bases = (*_RECORDS, ctypes.Array, _Pointer, _FuncPointer, _SimpleData)
    return isinstance(value, type) and issubclass(value, bases) and value.__module__ != "_ctypes"


def main(job_path: str, result_path: str) -> None:
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    if job["symbols"] is not None:
        FakeLibrary.symbols = frozenset(job["symbols"])
    # Bindings let these point them at another folder of libraries.
    for name in [key for key in os.environ if key.endswith(("_CPP_LIB", "_LIB_PATH"))]:
        del os.environ[name]
    install_loader()
    loaded, failed = import_all(job["package"], job["folder"], job["modules"])
    answer = {**describe(loaded), "failed": failed}
    Path(result_path).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What the headers declare, as libclang reads them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clang import cindex
from clang.cindex import Cursor, CursorKind, TranslationUnit, TypeKind

from llamaproof.abi.c_types import decayed, read_type
from llamaproof.abi.compiler import Compiler
from llamaproof.abi.interface import Constant, Field, Function, Record, Type
from llamaproof.errors import BadInput, LlamaproofError

# Where a source tree of llama.cpp keeps the headers of the libraries that bindings call.
SOURCE_LAYOUT = (
    ("include", "*.h"),
    ("ggml/include", "*.h"),
    ("tools/mtmd", "mtmd.h"),
    ("tools/mtmd", "mtmd-helper.h"),
    ("src", "llama-ext.h"),
)
_QUOTED_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
# C++ conveniences over the C interface: no binding can call them.
_CPP_ONLY = re.compile(r".*-cpp\.h$")

_HINT = (
    "give --headers DIR: an unpacked sdist, a llama.cpp tree, or a folder with llama.h; "
    "a wheel of this project carries them in llama_cpp/include"
)

_RECORDS = {CursorKind.STRUCT_DECL, CursorKind.UNION_DECL, CursorKind.CLASS_DECL}


@dataclass(frozen=True, kw_only=True)
class HeaderSet:
    """Header files to read together, and the folders their includes are searched in."""

    files: tuple[Path, ...]
    includes: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class Declarations:
    """What libclang found in a `HeaderSet`; numbers still await the compiler's word.

    Attributes:
        records: structs and unions with a name, complete or not.
        functions: of C and of C++ linkage at file scope.
        enumerators: of every enum at file scope, named or not.
        typedefs: canonical types by name.
        nested: unnamed records, by the name made up for them.
    """

    headers: HeaderSet
    records: dict[str, Record]
    functions: dict[str, Function]
    enumerators: dict[str, Constant]
    typedefs: dict[str, Type]
    nested: dict[str, Record]

    def record(self, name: str) -> Record | None:
        return self.records.get(name) or self.nested.get(name)

    @property
    def symbols(self) -> frozenset[str]:
        """Linker names of the functions, beside their spellings."""
        pairs = ((f.name, f.symbol) for f in self.functions.values())
        return frozenset(name for pair in pairs for name in pair)


def locate_headers(folders: Sequence[Path]) -> HeaderSet:
    """Find the headers in the folders given.

    Raises:
        BadInput: a folder is missing, or there is no header in any of them.
    """
    files: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise BadInput(f"no such folder of headers: {folder}", hint=_HINT)
        files += _headers_in(folder.resolve())
    if not files:
        raise BadInput("no header found", where=", ".join(map(str, folders)), hint=_HINT)
    names = [path.name for path in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInput(
            f"header {twice[0]} is there more than once",
            where=", ".join(str(path) for path in files if path.name == twice[0]),
            hint="give the headers of one release",
        )
    includes = dict.fromkeys(path.parent for path in files)
    return HeaderSet(files=tuple(files), includes=tuple(includes))


def parse(headers: HeaderSet, compiler: Compiler) -> Declarations:
    """Read every declaration of the headers with libclang.

    Raises:
        BadInput: libclang reports an error: what it then says of a struct cannot be trusted.
        LlamaproofError: libclang cannot be loaded.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        source = Path(scratch) / "headers.cpp"
        source.write_text(include_lines(headers.files), encoding="utf-8")
        unit = _translation_unit(source, headers, compiler)
        _refuse_errors(unit)
        return _Reader(headers).read(unit)


def include_lines(files: Iterable[Path]) -> str:
    """Source text that includes the files."""
    return "".join(f'#include "{path}"\n' for path in files)


def _headers_in(folder: Path) -> list[Path]:
    for root in (folder, folder / "vendor" / "llama.cpp"):
        if (root / "include" / "llama.h").is_file() and (root / "ggml" / "include").is_dir():
            groups = (sorted((root / sub).glob(pattern)) for sub, pattern in SOURCE_LAYOUT)
            listed = [path for group in groups for path in group]
            names = {path.name for path in listed}
            return [path for path in listed if _is_public(path, names)]
    for flat in (folder, folder / "llama_cpp" / "include", folder / "include"):
        found = [path for path in sorted(flat.glob("*.h")) if not _CPP_ONLY.match(path.name)]
        if found:
            return found
    return []


def _is_public(path: Path, public: set[str]) -> bool:
    """Whether a header is C, and shows no type that the public headers keep opaque."""
    if _CPP_ONLY.match(path.name):
        return False
    included = _QUOTED_INCLUDE.findall(path.read_text(encoding="utf-8", errors="replace"))
    return all(name in public or name in ("stdint.h", "stddef.h") for name in included)


def _translation_unit(source: Path, headers: HeaderSet, compiler: Compiler) -> TranslationUnit:
    flags = ["-x", "c++", "-std=c++17", "-w", "-nostdinc", "-nostdinc++"]
    flags += [flag for folder in headers.includes for flag in ("-I", str(folder))]
    flags += [flag for folder in compiler.system_includes for flag in ("-isystem", str(folder))]
    try:
        index = cindex.Index.create()
    except cindex.LibclangError as error:
        raise LlamaproofError(
            f"libclang cannot be loaded: {error}", hint="pip install libclang"
        ) from error
    try:
        return index.parse(
            str(source), args=flags, options=TranslationUnit.PARSE_SKIP_FUNCTION_BODIES
        )
    except cindex.TranslationUnitLoadError as error:
        raise BadInput(
            "libclang cannot read the headers", where=headers.files[0].parent, hint=_HINT
        ) from error


def _refuse_errors(unit: TranslationUnit) -> None:
    # With a missing system header libclang carries on and reports structs of one byte.
    errors = [d for d in unit.diagnostics if d.severity >= cindex.Diagnostic.Error]
    if not errors:
        return
    first = errors[0]
    where = f"{first.location.file}:{first.location.line}" if first.location.file else ""
    raise BadInput(
        f"the headers do not parse: {first.spelling}"
        + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""),
        where=where,
        hint="give headers that compile by themselves, all from one release",
    )


class _Reader:
    """Walks one translation unit, keeping what the given headers declare."""

    def __init__(self, headers: HeaderSet) -> None:
        self._files = {str(path) for path in headers.files}
        self._overloaded: set[str] = set()
        self._found = Declarations(
            headers=headers, records={}, functions={}, enumerators={}, typedefs={}, nested={}
        )

    def read(self, unit: TranslationUnit) -> Declarations:
        for cursor in _file_scope(unit.cursor):
            if self._is_ours(cursor):
                self._declare(cursor)
        return self._found

    def _is_ours(self, cursor: Cursor) -> bool:
        file = cursor.location.file
        return file is not None and str(Path(file.name)) in self._files

    def _declare(self, cursor: Cursor) -> None:
        if cursor.kind in _RECORDS:
            self._declare_record(cursor)
        elif cursor.kind == CursorKind.ENUM_DECL:
            self._declare_enum(cursor)
        elif cursor.kind == CursorKind.TYPEDEF_DECL:
            self._found.typedefs[cursor.spelling] = read_type(cursor.type)
        elif cursor.kind == CursorKind.FUNCTION_DECL:
            self._declare_function(cursor)

    def _declare_record(self, cursor: Cursor) -> None:
        # A C++ class with constructors or bases is not something ctypes can describe.
        if cursor.kind == CursorKind.CLASS_DECL or not cursor.spelling or _unnamed(cursor):
            return
        known = self._found.records.get(cursor.spelling)
        if known is None or (not known.complete and cursor.is_definition()):
            self._found.records[cursor.spelling] = self._record(cursor, cursor.spelling)

    def _record(self, cursor: Cursor, name: str) -> Record:
        size = cursor.type.get_size()
        complete = cursor.is_definition() and size >= 0
        return Record(
            name=name,
            kind="union" if cursor.kind == CursorKind.UNION_DECL else "struct",
            module=_header_name(cursor),
            size=size if complete else 0,
            align=cursor.type.get_align() if complete else 0,
            fields=tuple(self._fields(cursor, name)) if complete else (),
            complete=complete,
        )

    def _fields(self, record: Cursor, owner: str) -> Iterator[Field]:
        for position, cursor in enumerate(record.type.get_fields()):
            found = read_type(cursor.type)
            declaration = cursor.type.get_canonical().get_declaration()
            if found.kind == "record" and _unnamed(declaration):
                name = f"{owner}::{position if _unnamed(cursor) else cursor.spelling}"
                self._found.nested[name] = self._record(declaration, name)
                found = Type(kind="record", size=found.size, name=name, record=name)
            yield Field(
                name="" if _unnamed(cursor) else cursor.spelling,
                type=found,
                offset=cursor.get_field_offsetof() // 8,
                bits=cursor.get_bitfield_width() if cursor.is_bitfield() else 0,
                first_bit=cursor.get_field_offsetof() if cursor.is_bitfield() else 0,
            )

    def _declare_enum(self, cursor: Cursor) -> None:
        for item in cursor.get_children():
            if item.kind == CursorKind.ENUM_CONSTANT_DECL:
                self._found.enumerators[item.spelling] = Constant(
                    name=item.spelling,
                    module=_header_name(cursor),
                    value=item.enum_value,
                    enum="" if _unnamed(cursor) else cursor.spelling,
                )

    def _declare_function(self, cursor: Cursor) -> None:
        name, symbol = cursor.spelling, cursor.mangled_name or cursor.spelling
        known = self._found.functions.get(name)
        if known is not None and known.symbol != symbol:
            # Overloads exist in C++ alone; a name that stands for several cannot be bound by it.
            self._overloaded.add(name)
            del self._found.functions[name]
        if known is not None or name in self._overloaded or name.startswith("operator"):
            return
        variadic = cursor.type.kind == TypeKind.FUNCTIONPROTO and cursor.type.is_function_variadic()
        self._found.functions[name] = Function(
            name=name,
            symbol=symbol,
            module=_header_name(cursor),
            result=read_type(cursor.result_type),
            args=tuple(decayed(read_type(arg.type)) for arg in cursor.get_arguments()),
            variadic=variadic,
        )


def _file_scope(unit: Cursor) -> Iterator[Cursor]:
    for cursor in unit.get_children():
        if cursor.kind in (CursorKind.LINKAGE_SPEC, CursorKind.UNEXPOSED_DECL):
            yield from _file_scope(cursor)
        else:
            yield cursor


def _header_name(cursor: Cursor) -> str:
    return Path(cursor.location.file.name).name


def _unnamed(cursor: Cursor) -> bool:
    # libclang spells an unnamed record by its position in the file.
    return not cursor.spelling or "(" in cursor.spelling

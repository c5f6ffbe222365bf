"""Reading GGUF headers: right ones as gguf reads them, broken and hostile ones refused in words."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest
from gguf import GGUFReader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llamaproof.errors import BadInput
from llamaproof.gguf.attention import attention_of
from llamaproof.gguf.header import MAX_ENTRIES, MAX_HEADER_BYTES, Array, read_header
from tests.support.models import MODELS, SMALL_MODELS, write_header, write_model

UINT32 = 4
STRING = 8
ARRAY = 9


def _text(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def _gguf(*entries: bytes, tensors: bytes = b"", n_tensors: int = 0, version: int = 3) -> bytes:
    return struct.pack("<4sIQQ", b"GGUF", version, n_tensors, len(entries)) + b"".join(
        (*entries, tensors)
    )


def _entry(key: bytes, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _tensor(name: bytes, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return (
        _text(name)
        + struct.pack("<I", len(shape))
        + b"".join(struct.pack("<Q", n) for n in shape)
        + struct.pack("<IQ", kind, offset)
    )


def _write(folder: Path, content: bytes) -> Path:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def glm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("headers")
    return write_model(SMALL_MODELS["glm-4.7-flash"], folder / "glm.gguf")


@pytest.fixture(scope="module")
def glm_header(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("headers")
    return write_header(SMALL_MODELS["glm-4.7-flash"], folder / "glm.gguf").read_bytes()


@pytest.mark.parametrize("name", SMALL_MODELS)
def test_tensors_are_those_gguf_itself_finds(name: str, tmp_path: Path) -> None:
    path = write_model(SMALL_MODELS[name], tmp_path / "model.gguf")
    header = read_header(path)
    reader = GGUFReader(path)
    data_start = min(int(tensor.data_offset) for tensor in reader.tensors)
    assert [(t.name, t.shape, t.kind, t.offset, t.n_bytes) for t in header.tensors] == [
        (
            tensor.name,
            tuple(int(n) for n in tensor.shape),
            tensor.tensor_type.name,
            int(tensor.data_offset) - data_start,
            int(tensor.n_bytes),
        )
        for tensor in reader.tensors
    ]


def test_metadata_are_those_gguf_itself_finds(glm: Path) -> None:
    header = read_header(glm)
    for key, field in GGUFReader(glm).fields.items():
        if key.startswith("GGUF."):
            continue
        expected = field.contents()
        found = header.metadata[key]
        if isinstance(found, Array):
            assert isinstance(expected, list)
            assert found.count == len(expected)
            assert found.values is None or list(found.values) == expected
        else:
            assert found == expected


def test_a_whole_file_is_not_truncated(glm: Path) -> None:
    header = read_header(glm)
    assert header.truncated is None
    assert header.expected_bytes == header.file_bytes == glm.stat().st_size


def test_one_byte_less_is_truncated(glm: Path, tmp_path: Path) -> None:
    # The last tensor ends where the file does: the byte that is missing is a weight.
    whole = glm.read_bytes()
    header = read_header(_write(tmp_path, whole[:-1]))
    assert header.truncated == f"the file has {len(whole) - 1:,} of {len(whole):,} bytes"
    assert header.has_all_tensors


def test_a_header_alone_says_how_large_the_model_is(tmp_path: Path) -> None:
    path = write_header(MODELS["glm-4.7-flash-full"], tmp_path / "full.gguf")
    header = read_header(path)
    assert header.has_all_metadata
    assert header.has_all_tensors
    assert header.truncated is not None
    # 30 billion parameters, nearly all of them in experts of 34 bytes for 32 values (Q8_0)
    assert header.expected_bytes is not None
    assert 30e9 < header.expected_bytes < 36e9


@given(data=st.data())
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_file_cut_anywhere_is_truncated_or_refused(
    data: st.DataObject, glm_header: bytes, tmp_path: Path
) -> None:
    length = data.draw(st.integers(0, len(glm_header) - 1))
    path = _write(tmp_path, glm_header[:length])
    if length < 24:
        with pytest.raises(BadInput):
            read_header(path)
        return
    header = read_header(path)
    assert header.truncated is not None
    assert not header.has_all_tensors
    if not header.has_all_metadata:
        assert "of 33 keys" in header.truncated


@given(data=st.data())
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_mutated_header_is_read_or_refused_and_nothing_else(
    data: st.DataObject, glm_header: bytes, tmp_path: Path
) -> None:
    mutated = bytearray(glm_header)
    for _ in range(data.draw(st.integers(1, 8))):
        # Counts, lengths and types stand at the start and near the end.
        position = data.draw(
            st.one_of(
                st.integers(0, 2000),
                st.integers(0, len(mutated) - 1),
                st.integers(len(mutated) - 2500, len(mutated) - 1),
            )
        )
        mutated[position] = data.draw(st.sampled_from([0, 1, 8, 9, 0x7F, 0x80, 0xFF]))
    path = _write(tmp_path, bytes(mutated))
    try:
        attention_of(read_header(path))
    except BadInput as error:
        assert str(path) in str(error)


@given(noise=st.binary(max_size=400))
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_random_bytes_after_a_right_start_never_crash(noise: bytes, tmp_path: Path) -> None:
    path = _write(tmp_path, struct.pack("<4sIQQ", b"GGUF", 3, 3, 3) + noise)
    try:
        header = read_header(path)
    except BadInput:
        return
    assert header.truncated is not None or header.has_all_tensors


HOSTILE = {
    "more keys than any model": (
        struct.pack("<4sIQQ", b"GGUF", 3, 0, MAX_ENTRIES + 1),
        "metadata keys",
    ),
    "more tensors than any model": (struct.pack("<4sIQQ", b"GGUF", 3, 1 << 60, 0), "tensors"),
    "a key of an exabyte": (
        struct.pack("<4sIQQ", b"GGUF", 3, 0, 1) + struct.pack("<Q", 1 << 60),
        "a metadata key claims",
    ),
    "a string beyond the limit": (
        _gguf(_entry(b"k", STRING, struct.pack("<Q", MAX_HEADER_BYTES + 1))),
        "the value of 'k' claims",
    ),
    "an array of 2^62 numbers": (
        _gguf(_entry(b"k", ARRAY, struct.pack("<IQ", UINT32, 1 << 62))),
        "numbers under 'k'",
    ),
    "an array of 2^61 strings": (
        _gguf(_entry(b"k", ARRAY, struct.pack("<IQ", STRING, 1 << 61))),
        "strings under 'k'",
    ),
    "an array of arrays": (
        _gguf(_entry(b"k", ARRAY, struct.pack("<IQ", ARRAY, 1))),
        "nested type",
    ),
    "a value of no type": (_gguf(_entry(b"k", 77, b"\0" * 8)), "unknown type 77"),
    "a key that is not text": (_gguf(_entry(b"\xff\xfe", UINT32, b"\0" * 4)), "not text"),
    "the same key twice": (_gguf(*[_entry(b"k", UINT32, b"\0" * 4)] * 2), "'k' is there twice"),
    "an alignment of zero": (
        _gguf(_entry(b"general.alignment", UINT32, struct.pack("<I", 0))),
        "general.alignment",
    ),
    "an alignment of 48": (
        _gguf(_entry(b"general.alignment", UINT32, struct.pack("<I", 48))),
        "general.alignment",
    ),
    "an alignment of text": (
        _gguf(_entry(b"general.alignment", STRING, _text(b"32"))),
        "general.alignment",
    ),
    "five dimensions": (_gguf(tensors=_tensor(b"t", (1,) * 5), n_tensors=1), "5 dimensions"),
    "a shape that overflows": (
        _gguf(tensors=_tensor(b"t", (1 << 40, 1 << 40)), n_tensors=1),
        "impossible shape",
    ),
    "an offset between alignments": (
        _gguf(tensors=_tensor(b"t", (1,), offset=7), n_tensors=1),
        "impossible offset",
    ),
    "a tensor name too long for ggml": (
        _gguf(tensors=_tensor(b"t" * 64, (1,)), n_tensors=1),
        "a tensor name claims 64 bytes",
    ),
    "the same tensor twice": (
        _gguf(tensors=_tensor(b"t", (1,)) * 2, n_tensors=2),
        "'t' is there twice",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_is_refused_in_words(name: str, tmp_path: Path) -> None:
    content, words = HOSTILE[name]
    # Padding, so that it is the claim that is refused and not the end of the file that is met.
    path = _write(tmp_path, content + b"\0" * 64)
    with pytest.raises(BadInput, match=words):
        read_header(path)


def test_a_false_length_reserves_no_memory(tmp_path: Path) -> None:
    claim = struct.pack("<Q", MAX_HEADER_BYTES - 1000)
    path = _write(tmp_path, _gguf(_entry(b"k", STRING, claim)))
    tracemalloc.start()
    header = read_header(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert header.truncated == "the file ends in its metadata, after 0 of 1 keys"
    assert peak < 1 << 20


def test_a_sparse_file_of_empty_strings_ends_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gguf"
    count = MAX_HEADER_BYTES // 8
    with path.open("wb") as stream:
        stream.write(_gguf(_entry(b"k", ARRAY, struct.pack("<IQ", STRING, count))))
        stream.truncate(1 << 40)
    with pytest.raises(BadInput, match="beyond"):
        read_header(path)


OTHER_FILES = {
    "nothing": (b"", "too few"),
    "three bytes": (b"GGU", "too few"),
    "a zip": (b"PK\x03\x04" + b"\0" * 100, "zip archive"),
    "an error page": (b"<!DOCTYPE html><html>not found</html>", "HTML page"),
    "an LFS pointer": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    "the old format": (b"GGML" + b"\0" * 100, "before GGUF"),
    "anything": (b"\x7fELF" + b"\0" * 100, "begins with"),
    "version 1": (struct.pack("<4sIII", b"GGUF", 1, 0, 0), "version 1"),
    "version 4": (struct.pack("<4sIQQ", b"GGUF", 4, 0, 0), "version 4"),
    "big-endian": (struct.pack(">4sIQQ", b"GGUF", 3, 0, 0), "big-endian"),
}


@pytest.mark.parametrize("name", OTHER_FILES)
def test_a_file_that_is_no_readable_gguf_is_named(name: str, tmp_path: Path) -> None:
    content, words = OTHER_FILES[name]
    with pytest.raises(BadInput, match=words):
        read_header(_write(tmp_path, content))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read_header(tmp_path)


def test_an_unknown_tensor_type_is_kept_without_a_size(tmp_path: Path) -> None:
    path = _write(tmp_path, _gguf(tensors=_tensor(b"t", (32,), kind=999), n_tensors=1))
    header = read_header(path)
    assert header.tensors[0].kind == "type 999"
    assert header.tensors[0].n_bytes is None
    assert header.expected_bytes is None

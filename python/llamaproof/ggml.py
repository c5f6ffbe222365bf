"""ggml's public C API, called in a folder of llama.cpp libraries: no headers, no compiler.

Only what has the same signature in every release from llama-cpp-python 0.3.16 to 0.3.36 is used,
and no struct is read or written but `ggml_init_params`, which none of them changed.
"""

from __future__ import annotations

import contextlib
import ctypes
import enum
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NewType

import numpy as np
import numpy.typing as npt

from llamaproof.binary.elf import Elf, read_elf
from llamaproof.errors import BadInput, LlamaproofError

Tensor = NewType("Tensor", int)
Graph = NewType("Graph", int)

KvLayout = Literal["v_separate", "v_first_of_k"]

# A cell of llama.cpp's graph that only a release with V as a view of K has: the input of an
# attention layer whose cache holds K alone (llama-graph.h, `build_attn_inp_k`).
_K_ONLY_ATTENTION = "_ZNK17llm_graph_context16build_attn_inp_kEv"

# GGML_KQ_MASK_PAD of ggml.h, which 0.3.16 has and 0.3.17 has not; padding is never wrong.
MASK_PAD = 64

_PREC_F32 = 10  # GGML_PREC_F32 of ggml.h
_STATUS_SUCCESS = 0  # GGML_STATUS_SUCCESS of ggml.h
_MAX_DIMS = 4  # GGML_MAX_DIMS of ggml.h

_MACHINE = "EM_X86_64"


class OutOfMemory(LlamaproofError):
    """Tensors do not fit on a device."""


class GgmlType(enum.IntEnum):
    """Ids of `enum ggml_type` (ggml.h); GGUF files hold them, so no release may renumber them."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    I32 = 26
    BF16 = 30

    @property
    def label(self) -> str:
        """The name ggml prints, as in `q8_0`."""
        return self.name.lower()

    @property
    def block_size(self) -> int:
        """Elements in a block (QK8_0 and its like in ggml-common.h); 1 for plain types."""
        return 32 if self.name.startswith("Q") else 1

    @classmethod
    def parse(cls, text: str) -> GgmlType:
        """The type of a name such as `q8_0`.

        Raises:
            BadInput: no such type.
        """
        for member in cls:
            if member.label == text.lower():
                return member
        known = ", ".join(member.label for member in cls)
        raise BadInput(f"no such tensor type: {text!r}", hint=f"the types are {known}")


class _InitParams(ctypes.Structure):
    _fields_ = (
        ("mem_size", ctypes.c_size_t),
        ("mem_buffer", ctypes.c_void_p),
        ("no_alloc", ctypes.c_bool),
    )


_LOG_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
_SET_N_THREADS = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)

_P = ctypes.c_void_p
_I64 = ctypes.c_int64
_SIZE = ctypes.c_size_t
_INT = ctypes.c_int
_F32 = ctypes.c_float
_STR = ctypes.c_char_p
_BOOL = ctypes.c_bool

# name -> result, arguments; as in ggml.h, ggml-alloc.h and ggml-backend.h of all three releases
_PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "ggml_version": (_STR, ()),
    "ggml_commit": (_STR, ()),
    "ggml_init": (_P, (_InitParams,)),
    "ggml_free": (None, (_P,)),
    "ggml_tensor_overhead": (_SIZE, ()),
    "ggml_graph_overhead_custom": (_SIZE, (_SIZE, _BOOL)),
    "ggml_new_tensor_4d": (_P, (_P, _INT, _I64, _I64, _I64, _I64)),
    "ggml_view_4d": (_P, (_P, _P, _I64, _I64, _I64, _I64, _SIZE, _SIZE, _SIZE, _SIZE)),
    "ggml_permute": (_P, (_P, _P, _INT, _INT, _INT, _INT)),
    "ggml_cont": (_P, (_P, _P)),
    "ggml_cast": (_P, (_P, _P, _INT)),
    "ggml_mul_mat": (_P, (_P, _P, _P)),
    "ggml_flash_attn_ext": (_P, (_P, _P, _P, _P, _P, _F32, _F32, _F32)),
    "ggml_flash_attn_ext_set_prec": (None, (_P, _INT)),
    "ggml_flash_attn_ext_add_sinks": (None, (_P, _P)),
    "ggml_new_graph_custom": (_P, (_P, _SIZE, _BOOL)),
    "ggml_build_forward_expand": (None, (_P, _P)),
    "ggml_nbytes": (_SIZE, (_P,)),
    "ggml_nelements": (_I64, (_P,)),
    "ggml_row_size": (_SIZE, (_INT, _I64)),
    "ggml_type_name": (_STR, (_INT,)),
    "ggml_quantize_chunk": (_SIZE, (_INT, _P, _P, _I64, _I64, _I64, _P)),
    "ggml_log_set": (None, (_LOG_CALLBACK, _P)),
    "ggml_backend_dev_count": (_SIZE, ()),
    "ggml_backend_dev_get": (_P, (_SIZE,)),
    "ggml_backend_dev_name": (_STR, (_P,)),
    "ggml_backend_dev_description": (_STR, (_P,)),
    "ggml_backend_dev_memory": (None, (_P, ctypes.POINTER(_SIZE), ctypes.POINTER(_SIZE))),
    "ggml_backend_dev_backend_reg": (_P, (_P,)),
    "ggml_backend_dev_supports_op": (_BOOL, (_P, _P)),
    "ggml_backend_dev_buffer_type": (_P, (_P,)),
    "ggml_backend_dev_init": (_P, (_P, _STR)),
    "ggml_backend_reg_name": (_STR, (_P,)),
    "ggml_backend_reg_get_proc_address": (_P, (_P, _STR)),
    "ggml_backend_load_all_from_path": (None, (_STR,)),
    "ggml_backend_free": (None, (_P,)),
    "ggml_backend_synchronize": (None, (_P,)),
    "ggml_backend_graph_compute": (_INT, (_P, _P)),
    "ggml_backend_graph_compute_async": (_INT, (_P, _P)),
    "ggml_backend_alloc_ctx_tensors_from_buft": (_P, (_P, _P)),
    "ggml_backend_buft_alloc_buffer": (_P, (_P, _SIZE)),
    "ggml_backend_buft_get_alloc_size": (_SIZE, (_P, _P)),
    "ggml_backend_buffer_get_base": (_P, (_P,)),
    "ggml_backend_tensor_alloc": (_INT, (_P, _P, _P)),
    "ggml_backend_buffer_free": (None, (_P,)),
    "ggml_backend_buffer_get_size": (_SIZE, (_P,)),
    "ggml_backend_buffer_clear": (None, (_P, ctypes.c_uint8)),
    "ggml_backend_tensor_set": (None, (_P, _P, _SIZE, _SIZE)),
    "ggml_backend_tensor_get": (None, (_P, _P, _SIZE, _SIZE)),
}


class Ggml:
    """ggml as one folder of libraries has it; made by `load`.

    A process can hold one release only: the libraries share sonames and a registry of backends.
    """

    def __init__(
        self, *, lib_dir: Path, handles: Sequence[ctypes.CDLL], kv_layout: KvLayout | None = None
    ) -> None:
        self.lib_dir = lib_dir
        self._kv_layout = kv_layout
        self._handles = tuple(handles)
        self._functions: dict[str, Any] = {}
        self._log_callback: Any = None

    def function(self, name: str, result: Any, *arguments: Any) -> Any:
        """Any other exported C function, with the ctypes given.

        Raises:
            BadInput: none of the libraries exports it.
        """
        for handle in self._handles:
            with contextlib.suppress(AttributeError):
                found = handle[name]
                found.restype = result
                found.argtypes = arguments
                return found
        raise BadInput(
            f"the libraries export no {name}",
            where=self.lib_dir,
            hint="they are older than llama-cpp-python 0.3.16, or not llama.cpp's",
        )

    def exports(self, name: str) -> bool:
        """Whether one of the libraries exports this symbol."""
        return any(hasattr(handle, name) for handle in self._handles)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of the prototype table by its C name."""
        found = self._functions.get(name)
        if found is None:
            result, types = _PROTOTYPES[name]
            found = self._functions[name] = self.function(name, result, *types)
        return found(*arguments)

    @property
    def version(self) -> str:
        """ggml's own version; releases up to llama-cpp-python 0.3.16 did not set a real one."""
        return str(self.call("ggml_version").decode())

    @property
    def kv_layout(self) -> KvLayout:
        """Where llama.cpp of this release puts V when K and V come from one latent (MLA).

        `v_separate`: V is a tensor of its own, and equals the last columns of K (0.3.16).
        `v_first_of_k`: V is a view of the first columns of K (0.3.17 on).

        Raises:
            BadInput: the folder has no libllama, which alone shows it.
        """
        if self._kv_layout is not None:
            return self._kv_layout
        if not self.exports("llama_backend_init"):
            raise BadInput(
                "no libllama among the libraries: how it lays V beside K cannot be known",
                where=self.lib_dir,
                hint="give the folder that holds libllama.so too",
            )
        return "v_first_of_k" if self.exports(_K_ONLY_ATTENTION) else "v_separate"

    def mask_rows(self, n_tokens: int) -> int:
        """Rows llama.cpp of this release gives the mask of a batch of `n_tokens`."""
        if self.kv_layout == "v_first_of_k":
            return n_tokens
        return -(-n_tokens // MASK_PAD) * MASK_PAD

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices of all backends, in the order of ggml's registry."""
        count = self.call("ggml_backend_dev_count")
        return tuple(
            Device(ggml=self, handle=self.call("ggml_backend_dev_get", index))
            for index in range(count)
        )

    def device(self, backend: str) -> Device | None:
        """The first device of a backend, by the backend's registry name: `CPU`, `CUDA`."""
        return next((d for d in self.devices if d.backend == backend), None)

    def type_name(self, kind: GgmlType) -> str:
        """The name the library gives a type."""
        return str(self.call("ggml_type_name", int(kind)).decode())

    def row_size(self, kind: GgmlType, n_elements: int) -> int:
        """Bytes of `n_elements` of a type; `n_elements` is a multiple of its block size."""
        if n_elements % kind.block_size:
            raise ValueError(f"{n_elements} elements are no whole number of {kind.label} blocks")
        return int(self.call("ggml_row_size", int(kind), n_elements))

    def quantize(self, kind: GgmlType, values: npt.NDArray[np.float32]) -> bytes:
        """Rows of f32, quantised (or rounded) to a type by ggml's own code.

        Args:
            values: float32 [rows, columns], columns a multiple of the type's block size.
        """
        rows = np.ascontiguousarray(values, dtype=np.float32).reshape(-1, values.shape[-1])
        size = self.row_size(kind, rows.shape[1]) * rows.shape[0]
        out = ctypes.create_string_buffer(size)
        written = self.call(
            "ggml_quantize_chunk",
            int(kind), rows.ctypes.data, out, 0, rows.shape[0], rows.shape[1], None,
        )  # fmt: skip
        if written != size:
            raise LlamaproofError(
                f"ggml_quantize_chunk wrote {written} bytes of {kind.label}, not {size}",
                where=self.lib_dir,
            )
        return out.raw

    def dequantize(
        self, kind: GgmlType, data: npt.NDArray[np.uint8], columns: int
    ) -> npt.NDArray[np.float32]:
        """Encoded rows as float32 [rows, columns], by the CPU backend's own conversion.

        Raises:
            LlamaproofError: the libraries have no CPU backend.
        """
        if kind is GgmlType.F16:
            halves = np.ascontiguousarray(data).view(np.float16)
            return halves.reshape(-1, columns).astype(np.float32)
        cpu = self.device("CPU")
        if cpu is None:
            raise LlamaproofError("the libraries have no CPU backend", where=self.lib_dir)
        rows = data.size // self.row_size(kind, columns)
        with self.context() as described, cpu.backend_stream() as stream:
            source = described.tensor(kind, (columns, rows))
            result = described.cast(source, GgmlType.F32)
            graph = described.graph(result)
            with described.allocated(cpu):
                self.tensor_set(source, data)
                stream.compute(graph)
                values = np.frombuffer(self.tensor_get(result), dtype=np.float32)
        return values.reshape(rows, columns)

    def log_to(self, sink: Callable[[int, str], None]) -> None:
        """Send ggml's log to `sink(level, text)`; texts may be parts of a line."""

        def forward(level: int, text: bytes | None, _user: int | None) -> None:
            sink(level, (text or b"").decode(errors="replace"))

        callback = _LOG_CALLBACK(forward)
        self.call("ggml_log_set", callback, None)
        # ggml keeps the pointer: the callback must outlive this call.
        self._log_callback = callback

    @contextlib.contextmanager
    def context(self, *, n_tensors: int = 64, graph_size: int = 64) -> Iterator[Context]:
        """A context for tensor and graph descriptions, without data, freed at the end."""
        size = (n_tensors + graph_size) * self.call("ggml_tensor_overhead") + self.call(
            "ggml_graph_overhead_custom", graph_size, False
        )
        handle = self.call("ggml_init", _InitParams(mem_size=size, mem_buffer=None, no_alloc=True))
        if not handle:
            raise LlamaproofError("ggml_init failed", where=self.lib_dir)
        try:
            yield Context(ggml=self, handle=handle, graph_size=graph_size)
        finally:
            self.call("ggml_free", handle)

    def tensor_set(self, tensor: Tensor, data: npt.NDArray[Any]) -> None:
        """Write a whole contiguous tensor; `data` has exactly its size."""
        size = self.call("ggml_nbytes", tensor)
        if data.nbytes != size:
            raise ValueError(f"the tensor holds {size} bytes, {data.nbytes} were given")
        self.tensor_set_part(tensor, data)

    def tensor_set_part(self, tensor: Tensor, data: npt.NDArray[Any], *, offset: int = 0) -> None:
        """Write into a contiguous tensor, from a byte on."""
        flat = np.ascontiguousarray(data)
        self.call("ggml_backend_tensor_set", tensor, flat.ctypes.data, offset, flat.nbytes)

    def tensor_get(self, tensor: Tensor) -> bytes:
        """Read a whole contiguous tensor."""
        size = self.call("ggml_nbytes", tensor)
        out = ctypes.create_string_buffer(size)
        self.call("ggml_backend_tensor_get", tensor, out, 0, size)
        return out.raw


@dataclass(frozen=True)
class Device:
    """A device of one of ggml's backends."""

    ggml: Ggml
    handle: int

    @property
    def name(self) -> str:
        return str(self.ggml.call("ggml_backend_dev_name", self.handle).decode())

    @property
    def description(self) -> str:
        return str(self.ggml.call("ggml_backend_dev_description", self.handle).decode())

    @property
    def backend(self) -> str:
        """The registry name of its backend, as in `CPU` and `CUDA`."""
        registry = self.ggml.call("ggml_backend_dev_backend_reg", self.handle)
        return str(self.ggml.call("ggml_backend_reg_name", registry).decode())

    @property
    def memory(self) -> tuple[int, int]:
        """Free and total bytes."""
        free, total = _SIZE(), _SIZE()
        self.ggml.call(
            "ggml_backend_dev_memory", self.handle, ctypes.byref(free), ctypes.byref(total)
        )
        return free.value, total.value

    def supports_op(self, tensor: Tensor) -> bool:
        """Whether the backend says it can compute this node."""
        return bool(self.ggml.call("ggml_backend_dev_supports_op", self.handle, tensor))

    @contextlib.contextmanager
    def backend_stream(self, *, n_threads: int | None = None) -> Iterator[Stream]:
        """A backend (stream) on this device, freed at the end.

        Args:
            n_threads: for backends that have threads; None leaves the default.
        """
        handle = self.ggml.call("ggml_backend_dev_init", self.handle, None)
        if not handle:
            raise LlamaproofError(f"{self.name} could not be initialised", where=self.ggml.lib_dir)
        try:
            if n_threads is not None:
                self._set_n_threads(handle, n_threads)
            yield Stream(device=self, handle=handle)
        finally:
            self.ggml.call("ggml_backend_free", handle)

    def _set_n_threads(self, backend: int, n_threads: int) -> None:
        registry = self.ggml.call("ggml_backend_dev_backend_reg", self.handle)
        address = self.ggml.call(
            "ggml_backend_reg_get_proc_address", registry, b"ggml_backend_set_n_threads"
        )
        if address:
            _SET_N_THREADS(address)(backend, n_threads)


@dataclass(frozen=True)
class Stream:
    """A backend instance that computes graphs on one device."""

    device: Device
    handle: int

    def compute(self, graph: Graph) -> None:
        """Compute a graph and wait for it.

        Raises:
            LlamaproofError: the backend returned a status other than success.
        """
        status = self.device.ggml.call("ggml_backend_graph_compute", self.handle, graph)
        if status != _STATUS_SUCCESS:
            raise LlamaproofError(
                f"{self.device.name} returned status {status} for a graph",
                where=self.device.ggml.lib_dir,
            )

    def synchronize(self) -> None:
        """Wait for everything queued."""
        self.device.ggml.call("ggml_backend_synchronize", self.handle)


@dataclass(frozen=True)
class Context:
    """Descriptions of tensors and of one graph. `ne` is innermost first, as everywhere in ggml."""

    ggml: Ggml
    handle: int
    graph_size: int

    def tensor(self, kind: GgmlType, ne: Sequence[int]) -> Tensor:
        """A contiguous tensor."""
        shape = _padded(ne)
        return self._made("ggml_new_tensor_4d", int(kind), *shape)

    def view(self, of: Tensor, ne: Sequence[int], nb: Sequence[int], offset: int = 0) -> Tensor:
        """A view of 4 dimensions: `nb` holds the strides in bytes of dimensions 1, 2 and 3."""
        return self._made("ggml_view_4d", of, *_padded(ne), *nb, offset)

    def permute(self, of: Tensor, axes: tuple[int, int, int, int]) -> Tensor:
        """A view with dimension i moved to `axes[i]`."""
        return self._made("ggml_permute", of, *axes)

    def cont(self, of: Tensor) -> Tensor:
        """A node that makes a contiguous copy."""
        return self._made("ggml_cont", of)

    def cast(self, of: Tensor, kind: GgmlType) -> Tensor:
        """A node that converts to another type."""
        return self._made("ggml_cast", of, int(kind))

    def flash_attn_ext(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None,
        *,
        scale: float,
        max_bias: float = 0.0,
        logit_softcap: float = 0.0,
        sinks: Tensor | None = None,
    ) -> Tensor:
        """A FLASH_ATTN_EXT node with the f32 precision that llama.cpp asks for.

        Args:
            q: f32 [DKQ, n_tokens, n_heads, 1]
            k: [DKQ, n_kv, n_kv_heads, 1]
            v: [DV, n_kv, n_kv_heads, 1]
            mask: f16 [n_kv, rows, 1, 1], rows at least n_tokens (a multiple of `MASK_PAD` in
                releases that pad).
            max_bias: ALiBi's; 0 for none. Needs a mask.
            sinks: f32 [n_heads]
        Returns:
            f32 [DV, n_heads, n_tokens, 1]
        """
        node = self._made("ggml_flash_attn_ext", q, k, v, mask, scale, max_bias, logit_softcap)
        self.ggml.call("ggml_flash_attn_ext_add_sinks", node, sinks)
        self.ggml.call("ggml_flash_attn_ext_set_prec", node, _PREC_F32)
        return node

    def graph(self, *nodes: Tensor) -> Graph:
        """A forward graph that ends in the nodes given."""
        graph = self.ggml.call("ggml_new_graph_custom", self.handle, self.graph_size, False)
        for node in nodes:
            self.ggml.call("ggml_build_forward_expand", graph, node)
        return Graph(graph)

    @contextlib.contextmanager
    def allocated(self, device: Device) -> Iterator[int]:
        """Memory on a device for every tensor described so far, freed at the end; yields bytes.

        Raises:
            OutOfMemory: the device has not that much.
        """
        buffer_type = self.ggml.call("ggml_backend_dev_buffer_type", device.handle)
        buffer = self.ggml.call(
            "ggml_backend_alloc_ctx_tensors_from_buft", self.handle, buffer_type
        )
        if not buffer:
            raise OutOfMemory(
                f"{device.name} could not allocate the tensors", where=self.ggml.lib_dir
            )
        try:
            yield int(self.ggml.call("ggml_backend_buffer_get_size", buffer))
        finally:
            self.ggml.call("ggml_backend_buffer_free", buffer)

    @contextlib.contextmanager
    def allocated_apart(self, device: Device, tensors: Sequence[Tensor]) -> Iterator[None]:
        """As `allocated`, but each of these tensors in an allocation of its own.

        What a kernel reads past the end of one is then nobody's, not its neighbour's.

        Args:
            tensors: of this context; none of them a view.

        Raises:
            OutOfMemory: the device has not that much memory.
        """
        buffer_type = self.ggml.call("ggml_backend_dev_buffer_type", device.handle)
        # ggml leaves views alone where it finds nothing at all to allocate.
        self.tensor(GgmlType.F32, (1,))
        with contextlib.ExitStack() as held:
            for tensor in tensors:
                size = self.ggml.call("ggml_backend_buft_get_alloc_size", buffer_type, tensor)
                buffer = self.ggml.call("ggml_backend_buft_alloc_buffer", buffer_type, size)
                if not buffer:
                    raise OutOfMemory(
                        f"{device.name} could not allocate {size} bytes", where=self.ggml.lib_dir
                    )
                held.callback(self.ggml.call, "ggml_backend_buffer_free", buffer)
                base = self.ggml.call("ggml_backend_buffer_get_base", buffer)
                if self.ggml.call("ggml_backend_tensor_alloc", buffer, tensor, base) != 0:
                    raise LlamaproofError("ggml places no tensor there", where=self.ggml.lib_dir)
            held.enter_context(self.allocated(device))
            yield

    def _made(self, name: str, *arguments: Any) -> Tensor:
        made = self.ggml.call(name, self.handle, *arguments)
        if not made:
            raise LlamaproofError(f"{name} returned no tensor", where=self.ggml.lib_dir)
        return Tensor(made)


def load(lib_dir: Path, *, kv_layout: KvLayout | None = None) -> Ggml:
    """Load the llama.cpp libraries of a folder into this process, dependencies first.

    Backends that are not linked in (GGML_BACKEND_DL builds) are loaded through ggml's own loader.

    Args:
        kv_layout: of the release, for a folder without the libllama that shows it.

    Raises:
        BadInput: there are none, one is damaged or for another platform, or a library they need
            (cudart, cublas, the driver) is not found.
    """
    handles = open_libraries(lib_dir)
    ggml = Ggml(lib_dir=lib_dir, handles=handles, kv_layout=kv_layout)
    _check_types(ggml)
    if ggml.device("CPU") is None:
        ggml.call("ggml_backend_load_all_from_path", str(lib_dir).encode())
    return ggml


def open_libraries(lib_dir: Path) -> tuple[ctypes.CDLL, ...]:
    """Open the llama.cpp libraries of a folder, dependencies first; no backend is asked anything.

    Raises:
        BadInput: as `load`.
    """
    return tuple(_open(path) for path in linked_libraries(lib_dir))


def linked_libraries(lib_dir: Path) -> tuple[Path, ...]:
    """The libraries that libllama (else libggml) of a folder links to within it, leaves first.

    Raises:
        BadInput: there is neither, or one is no x86-64 ELF library.
    """
    found: dict[str, Elf] = {}
    for path in sorted(lib_dir.iterdir()) if lib_dir.is_dir() else ():
        if re.fullmatch(r"lib(llama|ggml[\w-]*)\.so(\.\d+)*", path.name):
            library = _read_library(path)
            found.setdefault(library.name, library)
    root = next(
        (
            library
            for stem in ("libllama", "libggml", "libggml-base")
            for name, library in found.items()
            if name.split(".so")[0] == stem
        ),
        None,
    )
    if root is None:
        raise BadInput(
            "no libllama.so and no libggml.so",
            where=lib_dir,
            hint="give the folder that holds llama.cpp's shared libraries",
        )
    ordered: list[Path] = []
    _visit(root, found, ordered)
    return tuple(ordered)


def _read_library(path: Path) -> Elf:
    library = read_elf(path)
    if library.machine != _MACHINE:
        raise BadInput(
            f"{path.name} is built for {library.machine}, not for {_MACHINE}",
            where=path,
            hint="get the build for Linux on x86-64",
        )
    return library


def _visit(library: Elf, found: Mapping[str, Elf], ordered: list[Path]) -> None:
    if library.path in ordered:
        return
    for name in library.needed:
        if name in found:
            _visit(found[name], found, ordered)
    ordered.append(library.path)


def _open(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise BadInput(
            f"{path.name} cannot be loaded: {error}",
            where=path,
            hint="the library named is missing or of another version; for CUDA's own, "
            "the driver, cudart and cublas of the build's major version must be found first",
        ) from error


def _check_types(ggml: Ggml) -> None:
    for kind in GgmlType:
        if ggml.type_name(kind) != kind.label:
            raise BadInput(
                f"type {int(kind)} is {ggml.type_name(kind)!r} here, not {kind.label!r}",
                where=ggml.lib_dir,
                hint="these libraries number their tensor types as no known release does",
            )


def _padded(ne: Sequence[int]) -> tuple[int, ...]:
    return (*ne, *(1,) * (_MAX_DIMS - len(ne)))

"""ggml as one folder of libraries has it: its functions, devices, types and tensors."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from llamaproof.errors import BadInput, LlamaproofError
from llamaproof.ggml.api import LOG_CALLBACK, PROTOTYPES, InitParams
from llamaproof.ggml.context import Context
from llamaproof.ggml.device import Device
from llamaproof.ggml.types import GgmlType, KvLayout, Tensor

# A cell of llama.cpp's graph that only a release with V as a view of K has: the input of an
# attention layer whose cache holds K alone (llama-graph.h, `build_attn_inp_k`).
_K_ONLY_ATTENTION = "_ZNK17llm_graph_context16build_attn_inp_kEv"

# GGML_KQ_MASK_PAD of ggml.h, which 0.3.16 has and 0.3.17 has not; padding is never wrong.
MASK_PAD = 64


class Ggml:
    """ggml as one folder of libraries has it; made by `loading.load`.

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
            result, types = PROTOTYPES[name]
            found = self._functions[name] = self.function(name, result, *types)
        return found(*arguments)

    @property
    def version(self) -> str:
        """ggml's own version; releases up to llama-cpp-python 0.3.16 did not set a real one."""
        return str(self.call("ggml_version").decode())

    @property
    def kv_layout(self) -> KvLayout:
        """Where llama.cpp of this release puts V when K and V come from one latent (MLA).

        `v_separate`: V equals the last columns of K, and is a tensor of its own in stock (0.3.16).
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

    def needed_device(self, backend: str) -> Device:
        """The first device of a backend that must be there.

        Raises:
            BadInput: there is none; ggml's log, which goes to standard error, says why.
        """
        found = self.device(backend)
        if found is None:
            known = ", ".join(sorted({d.backend for d in self.devices})) or "none"
            raise BadInput(
                f"these libraries offer no {backend} device (backends with devices: {known})",
                where=self.lib_dir,
                hint="a CUDA build shows its device only with a driver and a GPU it can use"
                if backend == "CUDA"
                else "the folder must hold the library of that backend, too",
            )
        return found

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
            BadInput: the libraries have no CPU backend.
        """
        if kind is GgmlType.F16:
            halves = np.ascontiguousarray(data).view(np.float16)
            return halves.reshape(-1, columns).astype(np.float32)
        cpu = self.needed_device("CPU")
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

        callback = LOG_CALLBACK(forward)
        self.call("ggml_log_set", callback, None)
        # ggml keeps the pointer: the callback must outlive this call.
        self._log_callback = callback

    @contextlib.contextmanager
    def context(self, *, n_tensors: int = 64, graph_size: int = 64) -> Iterator[Context]:
        """A context for tensor and graph descriptions, without data, freed at the end."""
        size = (n_tensors + graph_size) * self.call("ggml_tensor_overhead") + self.call(
            "ggml_graph_overhead_custom", graph_size, False
        )
        handle = self.call("ggml_init", InitParams(mem_size=size, mem_buffer=None, no_alloc=True))
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

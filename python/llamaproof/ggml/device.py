"""Devices of ggml's backends, and the streams that compute graphs on them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llamaproof.errors import LlamaproofError
from llamaproof.ggml.api import SET_N_THREADS, STATUS_SUCCESS
from llamaproof.ggml.types import Graph, Tensor

if TYPE_CHECKING:
    from llamaproof.ggml.library import Ggml


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
            SET_N_THREADS(address)(backend, n_threads)


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
        if status != STATUS_SUCCESS:
            raise LlamaproofError(
                f"{self.device.name} returned status {status} for a graph",
                where=self.device.ggml.lib_dir,
            )

    def synchronize(self) -> None:
        """Wait for everything queued."""
        self.device.ggml.call("ggml_backend_synchronize", self.handle)

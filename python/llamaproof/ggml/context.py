"""Descriptions of tensors and graphs, and memory for them on a device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llamaproof.errors import LlamaproofError
from llamaproof.ggml.api import MAX_DIMS, PREC_F32
from llamaproof.ggml.device import Device
from llamaproof.ggml.types import GgmlType, Graph, Tensor

if TYPE_CHECKING:
    from llamaproof.ggml.library import Ggml


class OutOfMemory(LlamaproofError):
    """Tensors do not fit on a device."""


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
        self.ggml.call("ggml_flash_attn_ext_set_prec", node, PREC_F32)
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


def _padded(ne: Sequence[int]) -> tuple[int, ...]:
    return (*ne, *(1,) * (MAX_DIMS - len(ne)))

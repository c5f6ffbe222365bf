"""The shadow runtime's records, read in the process it runs in (native/shadow/shadow.h)."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from llamaproof.errors import LlamaproofError
from llamaproof.shadow.records import RawRecord

_ABI = 1  # LLAMAPROOF_SHADOW_ABI
_LAUNCH = 1  # LLAMAPROOF_RECORD_LAUNCH
_CAPACITY = 1024


class Recorder:
    """Launches of this process, since the last reset.

    Args:
        library: libllamaproof_shadow.so, which this process has loaded.

    Raises:
        LlamaproofError: it cannot be loaded, or is of another version than this code.
    """

    def __init__(self, library: Path) -> None:
        try:
            self._library = ctypes.CDLL(str(library))
            abi = self._library.llamaproof_shadow_abi()
        except (OSError, AttributeError) as error:
            raise LlamaproofError(
                f"the shadow runtime cannot be read: {error}", where=library
            ) from error
        if abi != _ABI:
            raise LlamaproofError(
                f"the shadow runtime has interface {abi}, not {_ABI}",
                where=library,
                hint="build llamaproof again: its native libraries are of another version",
            )
        self._library.llamaproof_shadow_drain.restype = ctypes.c_size_t
        self._library.llamaproof_shadow_name.restype = ctypes.c_char_p
        self._library.llamaproof_shadow_dropped.restype = ctypes.c_uint64
        self._records = (RawRecord * _CAPACITY)()

    def reset(self) -> None:
        """Forget what was recorded."""
        self._library.llamaproof_shadow_reset()

    def launches(self) -> list[list[Any]]:
        """The launches that were accepted: name, grid, block, dynamic shared bytes.

        Raises:
            LlamaproofError: records were dropped, so that the list would not be whole.
        """
        if self._library.llamaproof_shadow_dropped():
            raise LlamaproofError("the shadow runtime dropped records")
        found = []
        while count := self._library.llamaproof_shadow_drain(self._records, _CAPACITY):
            found += [
                self._launch(record)
                for record in self._records[:count]
                if record.kind == _LAUNCH and record.status == 0
            ]
        return found

    def _launch(self, record: RawRecord) -> list[Any]:
        value = list(record.value)
        name = self._library.llamaproof_shadow_name(record.name).decode()
        return [name, value[0:3], value[3:6], value[6]]

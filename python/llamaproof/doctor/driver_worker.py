"""Ask NVIDIA's driver for its GPUs, in a process of its own.

Run as a script, with the standard library alone: python -I -S -B driver_worker.py JOB RESULT

JOB: {"library": the driver's, to load}.
RESULT: {"refusal": in words, empty when it answered, "cuda_version": as in 13000, "gpus"}.
"""

from __future__ import annotations

import ctypes
import json
import sys
from pathlib import Path
from typing import Any

# cuda.h: CUdevice_attribute
_MAJOR = 75
_MINOR = 76
_NAME_BYTES = 256


def main(job: str, result: str) -> None:
    library = json.loads(Path(job).read_text(encoding="utf-8"))["library"]
    Path(result).write_text(json.dumps(_ask(library)), encoding="utf-8")


def _ask(library: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"refusal": "", "cuda_version": 0, "gpus": []}
    try:
        cuda = ctypes.CDLL(library)
    except OSError as error:
        return {**answer, "refusal": str(error)}
    version = ctypes.c_int()
    if cuda.cuDriverGetVersion(ctypes.byref(version)) == 0:
        answer["cuda_version"] = version.value
    status = cuda.cuInit(0)
    if status != 0:
        answer["refusal"] = f"cuInit returned {status} ({_words(cuda, status)})"
    else:
        answer["gpus"] = _gpus(cuda)
    return answer


def _gpus(cuda: ctypes.CDLL) -> list[dict[str, Any]]:
    count = ctypes.c_int()
    cuda.cuDeviceGetCount(ctypes.byref(count))
    return [_gpu(cuda, ordinal) for ordinal in range(count.value)]


def _gpu(cuda: ctypes.CDLL, ordinal: int) -> dict[str, Any]:
    device, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    memory = ctypes.c_size_t()
    name = ctypes.create_string_buffer(_NAME_BYTES)
    cuda.cuDeviceGet(ctypes.byref(device), ordinal)
    cuda.cuDeviceGetName(name, _NAME_BYTES, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
    cuda.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
    cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device)
    return {
        "name": name.value.decode(errors="replace"),
        "sm": major.value * 10 + minor.value,
        "memory_bytes": memory.value,
    }


def _words(cuda: ctypes.CDLL, status: int) -> str:
    text = ctypes.c_char_p()
    cuda.cuGetErrorString(status, ctypes.byref(text))
    return text.value.decode() if text.value else "no message"


if __name__ == "__main__":
    main(*sys.argv[1:])

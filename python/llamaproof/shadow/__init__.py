"""The shadow CUDA runtime: a wheel's own libraries, run on a GPU that is not there.

Stand-ins for libcudart, libcublas and libcuda claim to be any card, record every call and, in
record mode, compute nothing. In the parent process:

    session = shadow.prepare(target.libraries, [shadow.find_gpu("L40S")], folder=scratch)

and in a worker, which holds one session from its start to its end (start it with
`session.environment`, or give it what `prepare` needs and let it prepare for itself):

    runtime = shadow.load(session)                  # first: before any library of the target
    ggml = ctypes.CDLL(str(lib_dir / "libggml.so"), mode=ctypes.RTLD_GLOBAL)
    ...                                             # or: import llama_cpp
    runtime.reset()
    ...                                             # build and compute a graph
    for record in runtime.records():
        if isinstance(record, shadow.Launch):
            print(record.demangled, record.grid, record.block, record.dynamic_shared)
    runtime.memory(0).peak                          # bytes charged to device 0

What the host reads from the device is zeros. A model of experts needs `read_back_counting` with its
number of used experts before it is run: llama.cpp sorts tokens by expert on the host.

What a real runtime refuses is refused with its error, and stands in the records as a `Refusal`. A
call that nobody wrote ends the process with SIGABRT and its name on stderr.
"""

from llamaproof.shadow.gpus import (
    Gpu,
    all_gpus,
    find_gpu,
    find_gpus,
    gpu_of_sm,
    parse_gpus,
    representatives,
)
from llamaproof.shadow.libraries import CudaNeeds, cuda_needs
from llamaproof.shadow.records import (
    Allocation,
    AnyRecord,
    Copy,
    Fill,
    GraphEvent,
    Launch,
    LibraryCall,
    Mark,
    Refusal,
)
from llamaproof.shadow.session import KernelFigures, MemoryUse, Session, Shadow, load, prepare

__all__ = [
    "Allocation",
    "AnyRecord",
    "Copy",
    "CudaNeeds",
    "Fill",
    "Gpu",
    "GraphEvent",
    "KernelFigures",
    "Launch",
    "LibraryCall",
    "Mark",
    "MemoryUse",
    "Refusal",
    "Session",
    "Shadow",
    "all_gpus",
    "cuda_needs",
    "find_gpu",
    "find_gpus",
    "gpu_of_sm",
    "load",
    "parse_gpus",
    "prepare",
    "representatives",
]

"""The prototypes of ggml's C functions.

Only what has the same signature in every release from llama-cpp-python 0.3.16 to 0.3.36 is here,
and no struct but `ggml_init_params`, which none of them changed.
"""

from __future__ import annotations

import ctypes
from typing import Any

MAX_DIMS = 4  # GGML_MAX_DIMS of ggml.h
PREC_F32 = 10  # GGML_PREC_F32 of ggml.h
STATUS_SUCCESS = 0  # GGML_STATUS_SUCCESS of ggml.h


class InitParams(ctypes.Structure):
    """`struct ggml_init_params` of ggml.h."""

    _fields_ = (
        ("mem_size", ctypes.c_size_t),
        ("mem_buffer", ctypes.c_void_p),
        ("no_alloc", ctypes.c_bool),
    )


LOG_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
SET_N_THREADS = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int)

_P = ctypes.c_void_p
_I64 = ctypes.c_int64
_SIZE = ctypes.c_size_t
_INT = ctypes.c_int
_F32 = ctypes.c_float
_STR = ctypes.c_char_p
_BOOL = ctypes.c_bool

# name -> result, arguments; as in ggml.h, ggml-alloc.h and ggml-backend.h of all three releases
PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "ggml_version": (_STR, ()),
    "ggml_init": (_P, (InitParams,)),
    "ggml_free": (None, (_P,)),
    "ggml_tensor_overhead": (_SIZE, ()),
    "ggml_graph_overhead_custom": (_SIZE, (_SIZE, _BOOL)),
    "ggml_new_tensor_4d": (_P, (_P, _INT, _I64, _I64, _I64, _I64)),
    "ggml_view_4d": (_P, (_P, _P, _I64, _I64, _I64, _I64, _SIZE, _SIZE, _SIZE, _SIZE)),
    "ggml_permute": (_P, (_P, _P, _INT, _INT, _INT, _INT)),
    "ggml_cast": (_P, (_P, _P, _INT)),
    "ggml_flash_attn_ext": (_P, (_P, _P, _P, _P, _P, _F32, _F32, _F32)),
    "ggml_flash_attn_ext_set_prec": (None, (_P, _INT)),
    "ggml_flash_attn_ext_add_sinks": (None, (_P, _P)),
    "ggml_new_graph_custom": (_P, (_P, _SIZE, _BOOL)),
    "ggml_build_forward_expand": (None, (_P, _P)),
    "ggml_nbytes": (_SIZE, (_P,)),
    "ggml_row_size": (_SIZE, (_INT, _I64)),
    "ggml_type_name": (_STR, (_INT,)),
    "ggml_quantize_chunk": (_SIZE, (_INT, _P, _P, _I64, _I64, _I64, _P)),
    "ggml_log_set": (None, (LOG_CALLBACK, _P)),
    "ggml_backend_dev_count": (_SIZE, ()),
    "ggml_backend_dev_get": (_P, (_SIZE,)),
    "ggml_backend_dev_name": (_STR, (_P,)),
    "ggml_backend_dev_description": (_STR, (_P,)),
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
    "ggml_backend_alloc_ctx_tensors_from_buft": (_P, (_P, _P)),
    "ggml_backend_buft_alloc_buffer": (_P, (_P, _SIZE)),
    "ggml_backend_buft_get_alloc_size": (_SIZE, (_P, _P)),
    "ggml_backend_buffer_get_base": (_P, (_P,)),
    "ggml_backend_tensor_alloc": (_INT, (_P, _P, _P)),
    "ggml_backend_buffer_free": (None, (_P,)),
    "ggml_backend_buffer_get_size": (_SIZE, (_P,)),
    "ggml_backend_tensor_set": (None, (_P, _P, _SIZE, _SIZE)),
    "ggml_backend_tensor_get": (None, (_P, _P, _SIZE, _SIZE)),
}

"""Kernel names as llama.cpp's CUDA libraries register them."""

# from libggml-cuda.so of llama-cpp-python 0.3.16, built for sm_89 with CUDA 13.0
_ARGUMENTS_0_3_16 = "EEvPKcS1_S1_S1_S1_PKiPfP6float2ffffjfiiiiiiiiiiiiiliiliiiiil"
_ARGUMENTS_0_3_16_TYPED = "EEvPKcS2_S2_S2_S2_PKiPfP6float2ffffjfiiiiiiiiiiiiiliiliiiiil"

MMA_576_4x16 = f"_Z18flash_attn_ext_f16ILi576ELi512ELi4ELi16ELi8ELi2ELb0ELb1{_ARGUMENTS_0_3_16}"
MMA_576_1x16 = f"_Z18flash_attn_ext_f16ILi576ELi512ELi1ELi16ELi2ELi2ELb0ELb1{_ARGUMENTS_0_3_16}"
# the same, with the pipeline's stages among the template's parameters, as the series has them
MMA_576_1x32 = f"_Z18flash_attn_ext_f16ILi576ELi512ELi1ELi32ELi4ELi2ELb0ELb1ELi2{_ARGUMENTS_0_3_16}"
MMA_128_8x1 = f"_Z18flash_attn_ext_f16ILi128ELi128ELi8ELi1ELi4ELi1ELb0ELb0{_ARGUMENTS_0_3_16}"
WMMA_256_8 = f"_Z18flash_attn_ext_f16ILi256ELi8ELi4ELi128E6__halfLb0{_ARGUMENTS_0_3_16_TYPED}"
VEC_128_8_Q8_0 = (
    f"_Z22flash_attn_vec_ext_f16ILi128ELi8EL9ggml_type8ELS0_8ELb0{_ARGUMENTS_0_3_16_TYPED}"
)
VEC_128_1_F16 = (
    f"_Z22flash_attn_vec_ext_f16ILi128ELi1EL9ggml_type1ELS0_1ELb0{_ARGUMENTS_0_3_16_TYPED}"
)
TILE_128_16_F32 = f"_Z23flash_attn_tile_ext_f32ILi128ELi16ELi8ELb0{_ARGUMENTS_0_3_16}"
FIXUP_512_4x16 = "_Z25flash_attn_stream_k_fixupILi512ELi4ELi16EEvPfPK6float2iiii"
COMBINE_512 = "_Z26flash_attn_combine_resultsILi512EEvPKfPK6float2Pfi"
MASK_SCAN_16 = "_Z25flash_attn_mask_to_KV_maxILi16EEvPK7__half2Piiii"

# as nvcc 13.0 mangles the templates of 0.3.17 and 0.3.36, with their parameters cut to one
MMA_0_3_17_2x16 = "_Z18flash_attn_ext_f16ILi576ELi512ELi2ELi16ELb0ELb1EEvPKc"
MMA_0_3_36_1x16 = "_Z18flash_attn_ext_f16ILi576ELi512ELi1ELi16ELb0ELb1ELb0EEvPKc"
TILE_0_3_36_2x16 = "_Z15flash_attn_tileILi576ELi512ELi2ELi16ELb0EEvPKc"
VEC_0_3_36_2 = "_Z18flash_attn_ext_vecILi128ELi2EL9ggml_type8ELS0_30ELb0EEvPKc"
FIXUP_0_3_36 = "_Z33flash_attn_stream_k_fixup_generalILi512ELi4ELi16EEvPKc"

"""A source as small as a test can build: one C++ file, one package, the layout of the real one."""

from __future__ import annotations

from pathlib import Path

from build_tools.pin.definition import Pin
from build_tools.series.patch import make_patch
from build_tools.series.prepare import PreparedTree

COMMIT = "0123456789abcdef0123456789abcdef01234567"

_PYPROJECT = """
[build-system]
requires = ["scikit-build-core[pyproject]>=0.9.2"]
build-backend = "scikit_build_core.build"
[project]
name = "llama_cpp_python"
dynamic = ["version"]
description = "Small \u2713"
readme = "README.md"
dependencies = ["numpy>=1.20.0"]
requires-python = ">=3.8"
[tool.scikit-build]
wheel.packages = ["llama_cpp"]
cmake.verbose = true
cmake.minimum-version = "3.21"
minimum-version = "0.5.1"
[tool.scikit-build.metadata.version]
provider = "scikit_build_core.metadata.regex"
input = "llama_cpp/__init__.py"
"""

# As the real one: it installs into the source too, and has a program that no wheel needs.
_CMAKE = """
cmake_minimum_required(VERSION 3.21)
project(llama_cpp CXX)
set(BUILD_SHARED_LIBS ON)
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH TRUE)
foreach(name IN ITEMS ggml-base ggml-cpu ggml llama mtmd)
  add_library(${name} vendor/llama.cpp/${name}.cpp)
  target_include_directories(${name} PRIVATE vendor/llama.cpp/include)
  set_target_properties(${name} PROPERTIES VERSION 0.0.7 SOVERSION 0)
  install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_CURRENT_SOURCE_DIR}/llama_cpp/lib)
  install(TARGETS ${name} LIBRARY DESTINATION ${SKBUILD_PLATLIB_DIR}/llama_cpp/lib)
endforeach()
target_link_libraries(llama PUBLIC ggml)
add_executable(no-wheel-needs-it vendor/llama.cpp/unwanted.cpp)
install(TARGETS no-wheel-needs-it RUNTIME DESTINATION bin)
"""

# The part of it that needs CUDA, as the real one links it: cudart, cublas and the driver.
_CMAKE_CUDA = """
if (GGML_CUDA)
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  add_library(ggml-cuda vendor/llama.cpp/ggml-cuda.cu)
  target_link_libraries(ggml-cuda PRIVATE CUDA::cudart CUDA::cublas CUDA::cuda_driver)
  install(TARGETS ggml-cuda LIBRARY DESTINATION ${SKBUILD_PLATLIB_DIR}/llama_cpp/lib)
endif()
"""
_CU = """
#include <cublas_v2.h>
#include <cub/cub.cuh>
#include <cuda.h>
#include <cstdio>
namespace { __global__ void twice(int * x) { x[threadIdx.x] *= 2; printf(__FILE__); } }
extern "C" int ggml_cuda_answer(int * x, cublasHandle_t handle) {
    twice<<<1, 32>>>(x);
    CUdevice device;
    return cuDeviceGet(&device, 0) + cublasDestroy(handle) + cudaDeviceSynchronize();
}
"""

# Which file each patch of the series changes.
_PATCHED = {"0001-a.patch": "llama_cpp/llama_cpp.py", "0002-b.patch": "vendor/llama.cpp/llama.cpp"}
_DIFF = "diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-old\n+new\n"

# What the compilers read of it.
COMPILED = frozenset({"vendor/llama.cpp/llama.cpp", "vendor/llama.cpp/include/llama.h"})

# __FILE__ and __LINE__ tell where the tree lies, and an unnamed namespace has names of its own.
_CPP = """
#include <cstdio>
#include "llama.h"
namespace {{ int hidden() {{ return std::printf("%s:%d\\n", __FILE__, __LINE__); }} }}
extern "C" int {name}_answer(void) {{ return hidden(); }}
"""


def write_small_source(folder: Path) -> Path:
    """Lay it out; llama.cpp's part is plain C++ without a GPU."""
    package = folder / "llama_cpp"
    vendor = folder / "vendor" / "llama.cpp"
    (vendor / "include").mkdir(parents=True)
    package.mkdir()
    (folder / "pyproject.toml").write_text(_PYPROJECT)
    (folder / "README.md").write_text("# Small \u2713\n\nFrom here on nothing changes.\n")
    (folder / "CMakeLists.txt").write_text(_CMAKE + _CMAKE_CUDA)
    (folder / "LICENSE.md").write_text("MIT\n")
    (package / "__init__.py").write_text('__version__ = "0.3.16"\n')
    (package / "llama_cpp.py").write_text("x = 1\n")
    (vendor / "include" / "llama.h").write_text("int llama(void);\n")
    (vendor / "include" / "unrelated.h").write_text("\n")
    (vendor / "LICENSE").write_text("MIT, of llama.cpp\n")
    (vendor / "ggml-cuda.cu").write_text(_CU)
    (vendor / "unwanted.cpp").write_text("#error nothing of this is wanted\n")
    for name in ("ggml-base", "ggml-cpu", "ggml", "llama", "mtmd"):
        text = _CPP.format(name=name.replace("-", "_"))
        (vendor / f"{name}.cpp").write_text(text)
    return folder


def small_tree(folder: Path) -> PreparedTree:
    """A laid-out source as the build takes it: two patches over release 0.3.16."""
    pin = Pin(
        distribution="llama-cpp-python",
        version="0.3.16",
        sdist_file="llama_cpp_python-0.3.16.tar.gz",
        sdist_sha256="a" * 64,
        sdist_size=1,
        llama_cpp_commit=COMMIT,
        tree_sha256="b" * 64,
        reason="for tests",
        path=folder / "pin.toml",
    )
    return PreparedTree(
        path=folder,
        pin=pin,
        patches=tuple(
            make_patch(name, b"Description: small\n", _DIFF.format(path=path).encode())
            for name, path in _PATCHED.items()
        ),
        tree_id="abc".ljust(40, "0"),
        locked=True,
    )

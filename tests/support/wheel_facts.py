"""What a made-up wheel says of itself, right in every respect, for tests that change a part."""

from __future__ import annotations

from llamaproof.wheel_contents import Making, Patch, Sdist, ToolkitPackage, WheelFacts

MAKING = Making(
    sdist=Sdist(file="llama_cpp_python-1.0.tar.gz", sha256="5d" * 32, size=50_000_000),
    made_with={
        "cc": "gcc (Debian 12.2.0-14+deb12u1) 12.2.0",
        "c++": "g++ (Debian 12.2.0-14+deb12u1) 12.2.0",
        "ld": "GNU ld (GNU Binutils for Debian) 2.40",
        "glibc": "ldd (Debian GLIBC 2.36-9+deb12u10) 2.36",
        "nvcc": "Cuda compilation tools, release 13.0, V13.0.88",
    },
    locks={"env.lock": "e1" * 32, "cuda13.lock": "c1" * 32},
    toolkit=(
        ToolkitPackage(type="pypi", name="nvidia-cuda-nvcc", version="13.0.88", sha256="a1" * 32),
        ToolkitPackage(type="pypi", name="nvidia-cuda-cccl", version="13.0.85", sha256="a2" * 32),
    ),
    reproducible=True,
)

FACTS = WheelFacts(
    tool="0.1.0",
    package_version="1.0+cu130",
    pin="llama-cpp-python-1.0",
    llama_cpp_commit="0123456789abcdef0123456789abcdef01234567",
    patches=(
        Patch(name="0001-a.patch", sha256="f1" * 32),
        Patch(name="0002-b.patch", sha256="f2" * 32),
    ),
    tree="3bb7b7e9" * 5,
    cuda="13.0",
    cuda_arch=("89",),
    making=MAKING,
)

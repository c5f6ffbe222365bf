"""Load a llama_cpp package as it would be used, and judge what it says of itself."""

from __future__ import annotations

import json
import math
import re
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof import shadow
from llamaproof.doctor.explanations import explain_failure
from llamaproof.doctor.findings import DoctorFinding, fine, stops
from llamaproof.doctor.package import REINSTALL
from llamaproof.target import Target
from llamaproof.workers.stage import staged
from llamaproof.workers.worker import Worker

# llama_context_default_params of 0.3.16, 0.3.17 and 0.3.36 (llama-context.cpp): values that all
# three share. Bindings of another release read other bytes of the struct and see other values.
DEFAULTS: Mapping[str, int | float | bool] = {
    "n_ctx": 512,
    "n_batch": 2048,
    "n_ubatch": 512,
    "n_seq_max": 1,
    "rope_freq_base": 0.0,
    "rope_freq_scale": 0.0,
    "yarn_ext_factor": -1.0,
    "yarn_orig_ctx": 0,
    "defrag_thold": -1.0,
    "type_k": 1,
    "type_v": 1,
    "embeddings": False,
    "offload_kqv": True,
    "no_perf": True,
    "op_offload": True,
    "swa_full": True,
}

# llama_print_system_info's names of what the CPU backend was compiled with (ggml-cpu.cpp), by the
# flags that Linux lists in /proc/cpuinfo.
CPU_FLAGS: Mapping[str, str] = {
    "SSE3": "pni",
    "SSSE3": "ssse3",
    "AVX": "avx",
    "AVX2": "avx2",
    "F16C": "f16c",
    "FMA": "fma",
    "BMI2": "bmi2",
    "AVX_VNNI": "avx_vnni",
    "AVX512": "avx512f",
    "AVX512_VBMI": "avx512_vbmi",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "AMX_INT8": "amx_int8",
}

_WORKER = Worker(
    module="llamaproof.doctor.probe_worker",
    failed="the package could not be loaded",
    silence_limit_s=120.0,
)
_FEATURE = re.compile(r"(\w+) = 1\b")


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a package said when it was loaded.

    Attributes:
        failure: why it could not be loaded, in the words of whoever refused; empty when it was.
        devices: that ggml found, as in `CUDA0: NVIDIA L40S`.
        system_info: llama_print_system_info.
        defaults: llama_context_default_params as the bindings read it.
        printed: what was printed meanwhile, ggml's own messages among it.
    """

    failure: str
    devices: tuple[str, ...]
    system_info: str
    defaults: Mapping[str, int | float | bool]
    printed: tuple[str, ...]

    @property
    def gpus(self) -> tuple[str, ...]:
        return tuple(name for name in self.devices if not name.startswith("CPU"))


def probe(package: Path, env: Mapping[str, str], *, whole: bool) -> Probe:
    """Load a package in a process of its own, as this environment has it.

    Args:
        whole: import it as a user would, with its Python dependencies.
    """
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        return _probe(package, env, Path(scratch), whole=whole, session=None)


def probe_on_shadow(target: Target, gpu: shadow.Gpu, env: Mapping[str, str]) -> Probe:
    """Load a package's bindings on a GPU that is played: CUDA's libraries need not be here.

    Raises:
        BadInput: the shadow runtime cannot serve the package's libraries.
    """
    assert target.package is not None
    with staged(target, [gpu]) as stage:
        env = {**env, **stage.session.environment}
        return _probe(target.package, env, stage.folder, whole=False, session=stage.job["session"])


def _probe(
    package: Path,
    env: Mapping[str, str],
    folder: Path,
    *,
    whole: bool,
    session: Mapping[str, Any] | None,
) -> Probe:
    job = {"package": str(package), "whole": whole, "session": session}
    ended = _WORKER.run(job, folder, env=env)
    answer: dict[str, Any] = {}
    if ended.result.exists():
        answer = json.loads(ended.result.read_text(encoding="utf-8"))
    failure = answer.get("refusal", "")
    if not answer:
        tail = "\n".join(ended.lines[-20:])
        failure = f"{tail}\nthe process {ended.how}"
    return Probe(
        failure=failure,
        devices=tuple(answer.get("devices", ())),
        system_info=answer.get("system_info", ""),
        defaults=answer.get("defaults", {}),
        printed=ended.lines,
    )


def examine_probe(loaded: Probe, cpu_flags: Collection[str]) -> list[DoctorFinding]:
    """What loading it showed.

    Args:
        cpu_flags: of this machine, as /proc/cpuinfo lists them; empty when not known.
    """
    if loaded.failure:
        return [explain_failure(loaded.failure)]
    found = [_bindings(loaded.defaults)]
    missing = missing_cpu_flags(loaded.system_info, cpu_flags)
    if missing:
        found.append(
            stops(
                "illegal-instruction",
                f"it was compiled for a CPU with {', '.join(missing)}, which this one lacks: it "
                "will die of an illegal instruction",
                "install a wheel that was built with GGML_NATIVE=OFF, or build one here",
            )
        )
    return found


def missing_cpu_flags(system_info: str, cpu_flags: Collection[str]) -> tuple[str, ...]:
    """Features the library was compiled with that this CPU does not list."""
    if not cpu_flags:
        return ()
    compiled = _FEATURE.findall(system_info)
    return tuple(
        name for name in compiled if name in CPU_FLAGS and CPU_FLAGS[name] not in cpu_flags
    )


def read_cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The flags of this machine's first CPU; empty where Linux lists none."""
    if not cpuinfo.is_file():
        return frozenset()
    for line in cpuinfo.read_text(errors="replace").splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()


def _bindings(defaults: Mapping[str, int | float | bool]) -> DoctorFinding:
    wrong = {
        name: value
        for name, value in defaults.items()
        if name in DEFAULTS and not _same(value, DEFAULTS[name])
    }
    if not wrong:
        return fine("bindings", "its bindings read the library's settings right")
    words = ", ".join(
        f"{name} reads as {value} instead of {DEFAULTS[name]}" for name, value in wrong.items()
    )
    return stops(
        "bindings",
        f"its bindings do not match its library, and settings go astray: {words}",
        f"{REINSTALL}; `llamaproof abi` says field by field what differs",
    )


def _same(found: float, expected: float) -> bool:
    return math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-9)

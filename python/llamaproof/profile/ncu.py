"""NVIDIA's profiler Nsight Compute (`ncu`): what it is asked for, and what it answers.

Its counters come in two kinds. Those with `sass` in their name are counted by code that the
profiler patches into the kernel, exactly, by opcode. The others are the hardware's own, over
several replays of the kernel. Names are those of the Metrics Reference in NVIDIA's "Kernel
Profiling Guide"; which of them a chip has differs.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof import process
from llamaproof.errors import BadInput, CommandFailed

# Warp instructions by opcode of the machine code (HMMA, LDSM, BAR, ...), as instances.
OPCODES = "sass__inst_executed_per_opcode"
# Lanes that executed, those predicated off left out, by whole opcode (LDG.E.64.CONSTANT, ...).
LANES = "sass__thread_inst_executed_true_per_opcode_with_modifier_all"

METRICS = (
    OPCODES,
    LANES,
    "gpu__time_duration.sum",
    "launch__registers_per_thread",
    "launch__shared_mem_per_block_dynamic",
    "smsp__inst_executed.sum",
    "sass__thread_inst_executed_true_per_opcode",
    "sm__inst_executed_pipe_tensor_op_hmma.sum",
    "memory_l2_theoretical_sectors_global",
    "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum",
    "lts__t_sectors_srcunit_tex_op_read.sum",
    "dram__sectors_read.sum",
    "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum",
)

# Chips and releases of the profiler lack some; each try drops those that it names.
_MOST_TRIES = 12
_SILENCE_LIMIT_S = 600.0
# Columns of a raw page in front of its metrics.
_OF_THE_LAUNCH = (
    "ID", "Process ID", "Process Name", "Host Name", "Kernel Name", "Context", "Stream",
    "Block Size", "Grid Size", "Device", "CC",
)  # fmt: skip
_REMARK = re.compile(r"^==(ERROR|WARNING)==")
# `12 (HMMA: 8; LDSM: 4)`: instances by name, with or without what surrounds them.
_INSTANCE = re.compile(r"([A-Z][A-Z0-9_.]*)\s*[:=]\s*([\d,]+)")
_EXTENT = re.compile(r"\((\d+), *(\d+), *(\d+)\)")


@dataclass(frozen=True, kw_only=True)
class Profiled:
    """One kernel launch as the profiler saw it.

    Attributes:
        kernel: its name, demangled, with template arguments.
        metrics: by full name, in base units.
        opcodes: warp instructions by opcode of the machine code, those among them that no lane
            executed; empty where not collected.
        lanes: lanes that executed, by whole opcode; empty where not collected.
    """

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    metrics: Mapping[str, float]
    opcodes: Mapping[str, int]
    lanes: Mapping[str, int]


def find() -> Path:
    """The profiler's program.

    Raises:
        BadInput: it is not installed.
    """
    for candidate in (shutil.which("ncu"), "/usr/local/cuda/bin/ncu"):
        if candidate and Path(candidate).is_file():
            return Path(candidate)
    raise BadInput(
        "the profiler ncu (Nsight Compute) is not found",
        hint="install NVIDIA's nsight-compute, or put its folder into PATH",
    )


def profile(
    command: Sequence[str | Path], *, env: Mapping[str, str], report: Path
) -> process.Completed:
    """Run a program under the profiler: every kernel it launches, every metric this chip has.

    Clocks are left alone: no count depends on them.

    Args:
        report: the .ncu-rep file to write.
    Returns:
        how the profiler ended, which is how the program did.

    Raises:
        CommandFailed: it ended without a report, and named no metric it could do without.
    """
    ncu = find()
    wanted = list(METRICS)
    for _ in range(_MOST_TRIES):
        options: list[str | Path] = [
            "--clock-control",
            "none",
            "--force-overwrite",
            "--export",
            report,
        ]
        completed = process.run(
            [ncu, *options, "--metrics", ",".join(wanted), *command],
            env=env,
            silence_limit_s=_SILENCE_LIMIT_S,
            check=False,
        )
        if completed.returncode == 0 and report.is_file():
            return completed
        remarks = "\n".join(line for line in completed.lines if _REMARK.match(line))
        unknown = [name for name in wanted if _names(remarks, name)]
        if not unknown:
            raise CommandFailed(
                "the profiler made no report",
                where=shlex_of(command),
                hint="its counters need a GPU that lets this user read them (NVIDIA's "
                "ERR_NVGPUCTRPERM page says how)",
                returncode=completed.returncode,
                output=completed.lines,
            )
        wanted = [name for name in wanted if name not in unknown]
    raise CommandFailed("the profiler knows too few of the metrics", where=ncu)


def export(report: Path) -> str:
    """A report's raw page as CSV, with the instances of each metric.

    Raises:
        CommandFailed: the profiler cannot read it.
    """
    options = ["--csv", "--page", "raw", "--print-units", "base"]
    completed = process.run(
        [find(), "--import", report, *options, "--print-metric-instances", "details"],
        env=os.environ,
    )
    return completed.output


def read(text: str, *, where: object) -> tuple[Profiled, ...]:
    """The launches of a raw page, in order.

    Raises:
        BadInput: it is no such page.
    """
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if start is None:
        raise BadInput(
            'no raw page of the profiler (no line begins with "ID")',
            where=where,
            hint="write it with: ncu --import REPORT --csv --page raw --print-units base",
        )
    rows = csv.DictReader(io.StringIO("\n".join(lines[start:])))
    # A metric with an instance for each instruction of a kernel fills hundreds of kilobytes.
    limit = csv.field_size_limit(sys.maxsize)
    try:
        # The second line holds units, and no ID.
        launches = tuple(_launch(row) for row in rows if row["ID"].strip())
    except (KeyError, ValueError, AttributeError, csv.Error) as error:
        raise BadInput(f"a damaged page of the profiler: {error}", where=where) from error
    finally:
        csv.field_size_limit(limit)
    if not launches:
        raise BadInput("the profiler's page holds no launch", where=where)
    return launches


def shlex_of(command: Sequence[str | Path]) -> str:
    """A command line, for messages."""
    return " ".join(str(part) for part in command)


def _names(remarks: str, metric: str) -> bool:
    base = metric.rsplit(".", 1)[0]
    return re.search(rf"(?<![\w.]){re.escape(base)}(?![\w])", remarks) is not None


def _launch(row: Mapping[str, str]) -> Profiled:
    metrics = {}
    for name, text in row.items():
        value = _number(text) if name not in _OF_THE_LAUNCH else None
        if value is not None:
            metrics[name] = value
    return Profiled(
        kernel=row["Kernel Name"],
        grid=_extent(row["Grid Size"]),
        block=_extent(row["Block Size"]),
        metrics=metrics,
        opcodes=_instances(row.get(OPCODES)),
        lanes=_instances(row.get(LANES)),
    )


def _instances(text: str | None) -> dict[str, int]:
    return {name: int(n.replace(",", "")) for name, n in _INSTANCE.findall(text or "")}


def _number(text: str | None) -> float | None:
    """The value in front of the instances, if any."""
    found = re.match(r"\s*(-?[\d,]+(?:\.\d+)?(?:[eE][-+]?\d+)?)", text or "")
    return float(found.group(1).replace(",", "")) if found else None


def _extent(text: str) -> tuple[int, int, int]:
    found = _EXTENT.search(text)
    if found is None:
        raise ValueError(f"no extent: {text!r}")
    return (int(found.group(1)), int(found.group(2)), int(found.group(3)))

"""ggml's own attention kernels with a defect planted in them, executed in place of the sound ones.

The host code is the built wheel's: it lays out tensors, chooses kernels and launches them. The
kernels' source is the tree that the wheel was built from, copied and edited; of it, the one
instance that the wheel launches is compiled to PTX. The shadow runtime is told to execute that PTX
in place of the wheel's.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from llamaproof import process, shadow
from llamaproof.attention import rows
from llamaproof.attention.cell import Cell, HeadSizes, make_cell
from llamaproof.attention.families import RANDOM, Family
from llamaproof.emulator.results import CellResult, result_of
from llamaproof.emulator.run import WORKER
from llamaproof.executor.library import default_library
from llamaproof.ggml import GgmlType
from llamaproof.target import open_target
from llamaproof.target.libraries import linux_libraries
from llamaproof.workers import handover
from tests.support.needs import PATCHED_SOURCE
from tests.support.toolkit import nvcc

GPU = "L40S"
# As ggml's CMake gives them to nvcc, where they reach device code.
_FLAGS = ("-O3", "-DNDEBUG", "-std=c++17", "-use_fast_math", "-extended-lambda", "-w")
_INSTANCE = re.compile(r"flash_attn_ext_f16ILi(\d+)ELi(\d+)ELi(\d+)ELi(\d+)E")

MMA = "fattn-mma-f16.cuh"
COMMON = "fattn-common.cuh"


@dataclass(frozen=True)
class Edit:
    """One place of ggml-cuda's source, told by a text that it holds exactly once."""

    file: str
    old: str
    new: str

    def apply(self, folder: Path) -> None:
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        assert text.count(self.old) == 1, (
            f"{self.file} holds {self.old!r} {text.count(self.old)} times: the source has moved, "
            "and this defect must be planted anew"
        )
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Instance:
    """Template arguments of flash_attn_ext_f16: head sizes, and columns by token and by head.

    Attributes:
        kernel: the whole name, mangled.
    """

    head_k: int
    head_v: int
    ncols1: int
    ncols2: int

    kernel: str

    @classmethod
    def launched(cls, result: CellResult) -> Instance:
        """What the wheel launched for a cell."""
        for launch in result.launches:
            found = _INSTANCE.search(launch.kernel)
            if found:
                k, v, ncols1, ncols2 = map(int, found.groups())
                return cls(kernel=launch.kernel, head_k=k, head_v=v, ncols1=ncols1, ncols2=ncols2)
        raise AssertionError(f"no mma kernel among {[x.kernel for x in result.launches]}")


def cell(heads: str, ratio: int, n_tokens: int, n_kv: int) -> Cell:
    """A cell with f16 K and V."""
    return make_cell(HeadSizes.parse(heads), GgmlType.F16, GgmlType.F16, ratio, n_tokens, n_kv)


class Bench:
    """The wheel, ready to be executed with its own PTX or with another."""

    def __init__(self, *, lib_dir: Path, session: shadow.Session, folder: Path) -> None:
        self._lib_dir = lib_dir
        self._session = session
        self._folder = folder

    @classmethod
    @contextmanager
    def opened(
        cls, wheel: Path, folder: Path, *, multiprocessors: int | None = None
    ) -> Iterator[Bench]:
        """A wheel on the card that is played, or on one with only so many multiprocessors."""
        gpu = shadow.find_gpu(GPU)
        with open_target(str(wheel)) as target:
            session = shadow.prepare(
                linux_libraries(target),
                [dataclasses.replace(gpu, multiprocessors=multiprocessors or gpu.multiprocessors)],
                folder=folder,
                mode="execute",
                executor=default_library(),
            )
            yield cls(lib_dir=target.lib_dir, session=session, folder=folder)

    def execute(
        self,
        cells: Sequence[Cell],
        *,
        name: str,
        family: Family = RANDOM,
        ptx: Path | None = None,
        kernel: str = "",
    ) -> Mapping[Cell, CellResult]:
        """Execute cells; with `ptx`, in place of the PTX that `kernel` is in.

        Args:
            name: of a folder for what this run needs.
        """
        work = self._folder / name
        work.mkdir()
        session = self._session if ptx is None else self._with(ptx, kernel, work)
        job = {
            "lib_dir": str(self._lib_dir),
            "session": handover.describe(session),
            "executor": str(default_library()),
            "cells": [rows.to_row(c) for c in cells],
            "inputs": family.name,
        }
        env = {**os.environ, **session.environment}
        result = WORKER.ask(job, work, about=self._lib_dir, env=env)
        return {c: result_of(a) for c, a in zip(cells, result["answers"], strict=True)}

    def _with(self, ptx: Path, kernel: str, work: Path) -> shadow.Session:
        """The session with one fatbin's PTX replaced: the one that the kernel is in."""
        compiled = re.findall(r"\.entry (\w+)\(", ptx.read_text(encoding="utf-8"))
        assert kernel in compiled, f"the wheel launches {kernel}; compiled were {compiled}"
        lines = self._session.file.read_text(encoding="utf-8").splitlines()
        replaced = 0
        for i, line in enumerate(lines):
            if not line.startswith("index "):
                continue
            # A kernel index of `llamaproof.shadow.index`: a part for each fatbin.
            index = Path(line.removeprefix("index ")).read_text(encoding="utf-8")
            parts = re.split(r"(?m)^(?=fatbin )", index)
            for j, part in enumerate(parts):
                if re.search(rf"(?m)^kernel {re.escape(kernel)} ", part):
                    parts[j] = re.sub(r"(?m)^(ptx \d+) .*$", rf"\1 {ptx}", part)
                    replaced += 1
            copied = work / f"index{i}.txt"
            copied.write_text("".join(parts), encoding="utf-8")
            lines[i] = f"index {copied}"
        assert replaced == 1, f"{replaced} translation units have {kernel}"
        file = work / "session.txt"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return dataclasses.replace(self._session, file=file)


def compile_instance(folder: Path, instance: Instance, edits: Sequence[Edit], *, sm: int) -> Path:
    """Compile one instance of the attention kernel, with these edits, to PTX."""
    copied = folder / "ggml-cuda"
    (copied / "template-instances").mkdir(parents=True)
    for header in (PATCHED_SOURCE / "ggml-cuda").glob("*.cuh"):
        shutil.copy(header, copied)
    shutil.copytree(PATCHED_SOURCE / "ggml-cuda" / "vendors", copied / "vendors")
    for edit in edits:
        edit.apply(copied)
    i = instance
    unit = copied / "template-instances" / "instance.cu"
    unit.write_text(
        f'#include "../{MMA}"\n'
        f"DECL_FATTN_MMA_F16_CASE({i.head_k}, {i.head_v}, {i.ncols1}, {i.ncols2});\n"
    )
    out = folder / "instance.ptx"
    includes = [f"-I{PATCHED_SOURCE}", f"-I{PATCHED_SOURCE.parent / 'include'}"]
    process.run([nvcc(), "-ptx", f"-arch=compute_{sm}", *_FLAGS, *includes, unit, "-o", out])
    return out


@dataclass(frozen=True, kw_only=True)
class Kernels:
    """Executes cells with the wheel's kernels, sound or edited."""

    bench: Bench
    sound: Mapping[Cell, CellResult]
    folder: Path
    family: Family = RANDOM

    def edited(self, where: Cell, *edits: Edit, name: str) -> CellResult:
        """A cell, with the kernel that the wheel launches for it edited and compiled anew."""
        compiled = self.compiled(where, *edits, name=name)
        return compiled.execute(where, self.family, name=f"{name}-run")

    def compiled(self, where: Cell, *edits: Edit, name: str) -> Compiled:
        """The kernel that the wheel launches for a cell, edited and compiled anew."""
        sound = self.sound[where]
        work = self.folder / name
        work.mkdir()
        instance = Instance.launched(sound)
        ptx = compile_instance(work, instance, edits, sm=sound.launches[0].ptx_sm)
        return Compiled(bench=self.bench, ptx=ptx, kernel=instance.kernel)


@dataclass(frozen=True, kw_only=True)
class Compiled:
    """An edited kernel, in place of the wheel's own."""

    bench: Bench
    ptx: Path
    kernel: str

    def execute(self, where: Cell, family: Family, *, name: str) -> CellResult:
        found = self.bench.execute(
            [where], name=name, family=family, ptx=self.ptx, kernel=self.kernel
        )
        return found[where]

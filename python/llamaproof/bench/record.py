"""Results as a versioned JSON document that a later run can resume, compare with, or report."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any, Literal

from llamaproof.bench.ceilings import Ceilings
from llamaproof.bench.clocks import Clock
from llamaproof.bench.cuda_driver import Gpu
from llamaproof.bench.points import Point
from llamaproof.bench.samples import Round
from llamaproof.reports import document
from llamaproof.reports.document import Schema

SCHEMA = Schema(name="llamaproof.bench", version=2)

Unit = Literal["device seconds", "host seconds", "counted work"]
Status = Literal["measured", "falls back", "aborts", "failed", "left out"]

SECONDS = "seconds"
# Microseconds that a cell's counted work takes at least, by the model of executor/least_time.py.
MODELLED = "modelled_microseconds"


@dataclass(frozen=True, kw_only=True)
class TargetInfo:
    """What was measured.

    Attributes:
        role: what it stands for in the gate, such as `0.3.16`: the version, or what was said.
        sha256: of the wheel; None for folders.
        libraries: file name -> sha256 of every llama.cpp library.
        kv_layout: where its graph puts a latent V.
        series: names of the patches in it, in order, and `tree`: git's hash of the patched source,
            where the package says so (wheels of this project do).
    """

    name: str
    role: str | None
    version: str | None
    sha256: str | None
    libraries: dict[str, str]
    ggml_version: str
    kv_layout: str
    series: tuple[str, ...] = ()
    tree: str = ""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it was measured; `device` as ggml describes it, `gpu` as the driver does."""

    system: str
    cpu: str
    cpu_count: int
    device: str
    gpu: Gpu | None
    driver_version: str
    clocks_missing: str


@dataclass(frozen=True, kw_only=True)
class PointResult:
    """One cell of one target.

    Attributes:
        target: index into the record's targets.
        status: `measured`, or why there is no cost.
        reason: in words, for every status but `measured`.
        rounds: raw samples, seconds per layer; empty where work was counted.
        dropped: rounds thrown away because the clocks were held down.
        counts: exact work per layer by name; empty where time was measured.
        launches: kernels whose work was counted, in order.
        n_layers: layers cycled through, each with a K/V cache of its own.
        least_bytes: bytes a perfect kernel moves per layer.
    """

    target: int
    point: Point
    status: Status
    reason: str = ""
    rounds: tuple[Round, ...] = ()
    dropped: int = 0
    counts: dict[str, float] = field(default_factory=dict)
    launches: tuple[str, ...] = ()
    n_layers: int = 0
    least_bytes: int = 0

    @property
    def costs(self) -> dict[str, tuple[float, ...]]:
        """Samples of every kind of cost: round medians of seconds, or one exact count each."""
        if self.status != "measured":
            return {}
        if self.counts:
            return {name: (value,) for name, value in self.counts.items()}
        return {SECONDS: tuple(median(r.samples) for r in self.rounds)}

    @property
    def samples(self) -> tuple[float, ...]:
        """All raw samples in seconds per layer."""
        return tuple(s for r in self.rounds for s in r.samples)


@dataclass(kw_only=True)
class Record:
    """Everything a run found; filled as the run goes on.

    Attributes:
        ceilings_missing: why there are none, where they could not be measured.
        requested: the cells that were asked for.
        checks: outcomes of comparisons with the CPU backend, one document each.
        complete: the run reached its end; an interrupted or timed-out one did not.
    """

    unit: Unit
    machine: Machine
    targets: tuple[TargetInfo, ...]
    created: str
    ceilings: Ceilings | None = None
    ceilings_missing: str = ""
    results: list[PointResult] = field(default_factory=list)
    requested: tuple[Point, ...] = ()
    checks: list[dict[str, Any]] = field(default_factory=list)
    complete: bool = False

    def of(self, target: int) -> dict[Point, PointResult]:
        """A target's results by cell."""
        return {r.point: r for r in self.results if r.target == target}

    def final(self, target: int, point: Point) -> bool:
        """Whether a resumed run can keep what there is of a cell."""
        found = self.of(target).get(point)
        return found is not None and found.status in ("measured", "falls back", "aborts")

    def put(self, result: PointResult) -> None:
        """Add a result, in place of an earlier one of the same cell and target."""
        self.results = [
            r for r in self.results if (r.target, r.point) != (result.target, result.point)
        ]
        self.results.append(result)

    def save(self, path: Path) -> None:
        """Write the document whole or not at all."""
        document.write(path, self.to_json())

    def to_json(self) -> dict[str, Any]:
        return SCHEMA.document(
            created=self.created,
            unit=self.unit,
            complete=self.complete,
            machine=asdict(self.machine),
            targets=[asdict(t) for t in self.targets],
            ceilings=asdict(self.ceilings) if self.ceilings is not None else None,
            requested=[point.to_json() for point in self.requested],
            checks=self.checks,
            ceilings_missing=self.ceilings_missing,
            results=[_result_to_json(r) for r in self.results],
        )


def now() -> str:
    """The time, for `created`."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def cpu_name() -> str:
    """The processor's name as Linux gives it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def usable_cpus() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0))


def load(path: Path) -> Record:
    """Read a document.

    Raises:
        BadInput: it cannot be read, is of another schema or version, or is damaged.
    """
    hint = "give a file that `llamaproof bench --json` wrote"
    return document.read(path, SCHEMA, _from_members, hint=hint)


def parse(found: dict[str, Any], *, where: object) -> Record:
    """The record of a document that stands within another, such as a wheel's evidence.

    Raises:
        BadInput: it is of another schema or version.
        KeyError, TypeError, ValueError: it is damaged.
    """
    document.expect(found, SCHEMA, where=where, hint="prove the wheel again: llamaproof prove")
    return _from_members(found)


def _result_to_json(result: PointResult) -> dict[str, Any]:
    return {
        "target": result.target,
        "cell": result.point.to_json(),
        "status": result.status,
        "reason": result.reason,
        "rounds": [
            {
                "samples": list(r.samples),
                "clock": asdict(r.clock) if r.clock is not None else None,
            }
            for r in result.rounds
        ],
        "dropped": result.dropped,
        "counts": result.counts,
        "launches": list(result.launches),
        "n_layers": result.n_layers,
        "least_bytes": result.least_bytes,
    }


def _from_members(members: dict[str, Any]) -> Record:
    machine = dict(members["machine"])
    machine["gpu"] = Gpu(**machine["gpu"]) if machine["gpu"] is not None else None
    ceilings = members["ceilings"]
    return Record(
        unit=members["unit"],
        machine=Machine(**machine),
        targets=tuple(
            TargetInfo(**{**t, "series": tuple(t.get("series", ()))}) for t in members["targets"]
        ),
        created=members["created"],
        ceilings=Ceilings(**ceilings) if ceilings is not None else None,
        ceilings_missing=members["ceilings_missing"],
        results=list(_results(members["results"])),
        requested=tuple(Point.from_json(c) for c in members["requested"]),
        checks=list(members["checks"]),
        complete=members["complete"],
    )


def _results(values: list[dict[str, Any]]) -> Iterator[PointResult]:
    for value in values:
        rounds = tuple(
            Round(
                samples=tuple(r["samples"]),
                clock=Clock(**r["clock"]) if r["clock"] is not None else None,
            )
            for r in value["rounds"]
        )
        rest = {**value, "rounds": rounds, "launches": tuple(value["launches"])}
        yield PointResult(point=Point.from_json(rest.pop("cell")), **rest)

"""The targets of a run, and the record that is begun for them."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaproof.bench import record as records
from llamaproof.bench.record import Machine, Record, TargetInfo, Unit
from llamaproof.bench.worker import Hello, Where
from llamaproof.errors import BadInput
from llamaproof.files import sha256_of
from llamaproof.target import Target
from llamaproof.wheel_contents import read_contents

_UNITS: Mapping[Where, Unit] = {
    "gpu": "device seconds",
    "cpu": "host seconds",
    "emulator": "counted work",
}


@dataclass(frozen=True, kw_only=True)
class Named:
    """A target with the role it plays in the gate."""

    target: Target
    role: str | None


def new_record(where: Where, targets: Sequence[Named], hellos: Sequence[Hello]) -> Record:
    """A record of these targets on this machine, with nothing measured yet."""
    first = hellos[0]
    return Record(
        unit=_UNITS[where],
        machine=Machine(
            system=platform.platform(),
            cpu=records.cpu_name(),
            cpu_count=records.usable_cpus(),
            device=first.device,
            gpu=first.gpu,
            driver_version=first.driver_version,
            clocks_missing=first.clocks_missing,
        ),
        targets=tuple(_info(*each) for each in zip(targets, hellos, strict=True)),
        created=records.now(),
    )


def resumed(path: Path, fresh: Record) -> Record:
    """An earlier record, to go on with in place of a fresh one.

    Raises:
        BadInput: it cannot be read, or is of other libraries, another device or another unit.
    """
    old = records.load(path)
    same = (
        [t.libraries for t in old.targets] == [t.libraries for t in fresh.targets]
        and old.unit == fresh.unit
        and old.machine.device == fresh.machine.device
    )
    if not same:
        raise BadInput(
            "the record is of other libraries, another device or another unit",
            where=path,
            hint="resume with the targets in the same order on the same machine, or start anew",
        )
    return old


def _info(named: Named, hello: Hello) -> TargetInfo:
    target = named.target
    contents = read_contents(target)
    return TargetInfo(
        name=target.name,
        role=named.role,
        version=target.version,
        sha256=target.sha256,
        libraries={path.name: sha256_of(path) for path in target.libraries},
        ggml_version=hello.ggml_version,
        kv_layout=hello.kv_layout,
        series=tuple(patch.name for patch in contents.patches) if contents else (),
        tree=contents.tree if contents else "",
    )

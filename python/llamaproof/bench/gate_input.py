"""What the gate is given: a record's results, and what they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llamaproof.bench import record as records
from llamaproof.bench.gate import GateEvidence
from llamaproof.bench.record import Record

BASELINE = "baseline"
# Counts of published releases: exact, so that they are the same on every machine.
_KEPT = Path(__file__).with_name("kept")


def kept_records(unit: records.Unit) -> tuple[Record, ...]:
    """The records that come with this package, for a unit that is the same on every machine."""
    if unit != "counted work":
        return ()
    return tuple(records.load(path) for path in sorted(_KEPT.glob("*.json")))


def evidence_of(
    record: Record, baselines: Sequence[Record] = (), kept: Sequence[Record] = ()
) -> GateEvidence:
    """The first target of a record as evidence, judged against the others and earlier records.

    What was measured in the same run comes first, then the baselines, then what comes with the
    package: each fills the roles that are missing. A baseline's first target is the `baseline`,
    whatever else it is.
    """
    references = {
        target.role: record.of(index)
        for index, target in enumerate(record.targets)
        if index > 0 and target.role is not None
    }
    gone: dict[str, str] = {}
    for earlier in (*baselines, *kept):
        why = _why_incomparable(record, earlier)
        for index, target in enumerate(earlier.targets):
            is_baseline = index == 0 and any(earlier is b for b in baselines)
            for role in {target.role, BASELINE if is_baseline else None} - {None}:
                assert role is not None
                if why:
                    gone.setdefault(role, why)
                else:
                    references.setdefault(role, earlier.of(index))
    return GateEvidence(
        unit=record.unit,
        requested=record.requested,
        results=record.of(0),
        references=references,
        gone={role: why for role, why in gone.items() if role not in references},
    )


def _why_incomparable(record: Record, earlier: Record) -> str:
    """Why a kept record's costs mean nothing beside today's; empty where they do."""
    if earlier.unit != record.unit:
        return f"the kept record holds {earlier.unit}, this run {record.unit}"
    if earlier.machine.device != record.machine.device:
        return (
            f"the kept record is of {earlier.machine.device}, this run of {record.machine.device}"
        )
    return ""

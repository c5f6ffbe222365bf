"""What the gate is given: a record's results, and what they are compared with."""

from __future__ import annotations

from collections.abc import Sequence

from llamaproof.bench.gate import Evidence
from llamaproof.bench.record import Record

BASELINE = "baseline"


def evidence_of(record: Record, baselines: Sequence[Record] = ()) -> Evidence:
    """The first target of a record as evidence, judged against the others and kept records.

    What was measured in the same run comes first; a kept record fills the roles that are missing.
    Its first target is the `baseline`, whatever else it is.
    """
    references = {
        target.role: record.of(index)
        for index, target in enumerate(record.targets)
        if index > 0 and target.role is not None
    }
    gone: dict[str, str] = {}
    for kept in baselines:
        why = _why_incomparable(record, kept)
        for index, target in enumerate(kept.targets):
            for role in {target.role, BASELINE if index == 0 else None} - {None}:
                assert role is not None
                if why:
                    gone[role] = why
                else:
                    references.setdefault(role, kept.of(index))
    return Evidence(
        unit=record.unit,
        requested=record.requested,
        results=record.of(0),
        references=references,
        gone={role: why for role, why in gone.items() if role not in references},
    )


def _why_incomparable(record: Record, kept: Record) -> str:
    """Why a kept record's costs mean nothing beside today's; empty where they do."""
    if kept.unit != record.unit:
        return f"the kept record holds {kept.unit}, this run {record.unit}"
    if kept.machine.device != record.machine.device:
        return f"the kept record is of {kept.machine.device}, this run of {record.machine.device}"
    return ""

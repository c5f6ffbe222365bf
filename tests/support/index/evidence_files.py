"""The folder `files/` of an index, as far as pages for people look into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from llamaproof.bench import gate_input
from llamaproof.bench.record import Record
from llamaproof.index.model import Publication
from llamaproof.kept_evidence import SCHEMA


def kept(release: str) -> Record:
    """The counts of a published release that come with llamaproof."""
    found = gate_input.kept_records("counted work")
    return next(record for record in found if record.targets[0].role == release)


def write_evidence(
    publication: Publication, folder: Path, work: dict[str, Any] | None, variant: str = ""
) -> None:
    """For each wheel, or those of a variant, a document that says but what work was counted."""
    folder.mkdir(parents=True, exist_ok=True)
    proof = None if work is None else {"record": work}
    document = SCHEMA.document(work={"outcome": "holds", "words": "", "proof": proof})
    for wheel in publication.of_variant(variant):
        sidecar = wheel.sidecar("evidence")
        assert sidecar is not None
        (folder / sidecar.name).write_text(json.dumps(document))

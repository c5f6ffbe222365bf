"""The licences of a wheel: one SPDX expression, and the text of each (PEP 639)."""

from __future__ import annotations

from collections.abc import Iterable

from packaging.licenses import canonicalize_license_expression

from build_tools.materials.part import Part


def licence_expression(parts: Iterable[Part]) -> str:
    """What holds for all that is inside, each licence once, in the order of the parts."""
    terms: dict[str, None] = {}
    for part in parts:
        if part.use == "inside":
            choice = " OR " in part.licence
            each = (f"({part.licence})",) if choice else part.licence.split(" AND ")
            terms.update(dict.fromkeys(each))
    return canonicalize_license_expression(" AND ".join(terms))

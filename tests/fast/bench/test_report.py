"""The report shows what the record holds, the same in HTML and in Markdown."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from llamaproof.bench.ceilings import Ceilings
from llamaproof.bench.gate import judge, load_gate
from llamaproof.bench.gate_input import evidence_of
from llamaproof.bench.record import PointResult, Record
from llamaproof.bench.report import tables_of, write_report
from llamaproof.errors import LlamaproofError
from llamaproof.reports.printer import plain_lines
from tests.support.bench.made_up_results import GRID, counted, good_cost, new_record, timed

SHOWN = [c for c in GRID if c.cell.n_tokens in (1, 512) and c.cell.ratio in (16, 20, 32)]


def measured_record() -> Record:
    record = new_record(2)
    record.requested = tuple(SHOWN)
    record.ceilings = Ceilings(copy_bytes_per_s=4e12, gemm_flop_per_s=7e14)
    for seed, target in enumerate((0, 1)):
        for result in timed(SHOWN, good_cost, seed=seed).values():
            record.put(replace(result, target=target, least_bytes=1 << 20))
    record.put(PointResult(target=0, point=SHOWN[0], status="falls back", reason="<refused>"))
    return record


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    record = measured_record()
    verdicts = judge(load_gate(), evidence_of(record))
    made = tmp_path_factory.mktemp("report") / "new"
    assert write_report(record, verdicts, made) == made / "bench.html"
    return made


def test_both_pages_hold_the_verdict_and_every_cell(folder: Path) -> None:
    html, markdown = ((folder / name).read_text() for name in ("bench.html", "bench.md"))
    for rule in load_gate().rules[:7]:
        assert rule.name in html and rule.name in markdown
    assert "&lt;refused&gt;" in html and "<refused>" not in html
    assert "\\<refused>" in markdown
    for page in (html, markdown):
        assert "576/512@32 f16 tokens=512" in page
        assert "0.3.36 were given" in page


def test_a_report_of_counts_shows_both_limits_of_a_rule(tmp_path: Path) -> None:
    record = measured_record()
    record.unit = "counted work"
    record.results = list(counted(SHOWN, good_cost).values())
    verdicts = judge(load_gate(), evidence_of(record))
    write_report(record, verdicts, tmp_path)
    page = (tmp_path / "bench.html").read_text()
    assert "1.6 (a figure 2.2)" in page and "1.1 (a figure 1.6)" in page
    assert "The time given with counts is a model" in page


def test_pictures_are_well_formed_linked_and_inlined(folder: Path) -> None:
    pictures = sorted(folder.glob("*.svg"))
    assert [p.stem for p in pictures] == [
        "against-1-576-512-f16-seconds",
        "ceiling-576-512-f16",
        "cost-576-512-f16-seconds",
    ]
    for picture in pictures:
        root = ElementTree.parse(picture).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert f"({picture.name})" in (folder / "bench.md").read_text()
    assert (folder / "bench.html").read_text().count("<svg") == len(pictures)


def test_the_same_record_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    record = measured_record()
    record.created = "2026-01-01T00:00:00+00:00"
    first, second = tmp_path / "first", tmp_path / "second"
    for made in (first, second):
        write_report(record, None, made)
    for page in first.iterdir():
        assert page.read_bytes() == (second / page.name).read_bytes()
    assert folder != first


def test_the_table_shows_medians_fallbacks_and_ratios() -> None:
    tables = ("\n".join(plain_lines(table)) for table in tables_of(measured_record()))
    costs, shares, _, _, comparison = tables
    line = next(row for row in costs.splitlines() if row.startswith("576/512@20 f16 tokens=1 "))
    assert line.split()[3] == "CPU"
    assert "CPU/ok" in comparison and "1.00=" in comparison
    assert "%b" in shares


def test_counts_are_shown_by_kind_and_called_a_model(tmp_path: Path) -> None:
    record = new_record(1)
    record.unit = "counted work"
    for result in counted(SHOWN, good_cost).values():
        record.put(result)
    write_report(record, None, tmp_path)
    page = (tmp_path / "bench.md").read_text()
    assert "is a model" in page
    for name in ("warp instructions", "mma operations", "global bytes"):
        assert f"{name} per layer" in page


def test_a_record_without_results_is_still_a_report(tmp_path: Path) -> None:
    write_report(new_record(1), None, tmp_path)
    assert "Nothing was judged" in (tmp_path / "bench.html").read_text()


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LlamaproofError, match="cannot make the folder"):
        write_report(new_record(1), None, tmp_path / "file" / "report")

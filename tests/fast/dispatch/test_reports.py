"""The evidence as a document, a table and a page."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from html.parser import HTMLParser

from llamaproof.attention import rows
from llamaproof.attention.cell import HeadSizes
from llamaproof.dispatch import html as page
from llamaproof.dispatch import requirement
from llamaproof.dispatch import terminal as table
from llamaproof.dispatch.changes import changes, changes_json
from llamaproof.dispatch.fallbacks import fallbacks_table, head_sizes_falling_back
from llamaproof.dispatch.proof import DispatchProof, assemble
from llamaproof.dispatch.requirement import requirements_json
from llamaproof.dispatch.summary import ratios_in_words
from llamaproof.dispatch.tables import changes_table, ratio_tables
from llamaproof.placement.survey import Survey
from llamaproof.reports.printer import Printer
from tests.support.placement.made_up_surveys import CELLS, evidence


def printed(*print_with: object) -> str:
    stream = io.StringIO()
    function, *arguments = print_with
    assert callable(function)
    function(*arguments, Printer(stream))
    return stream.getvalue()


def proved(found: Survey) -> DispatchProof:
    return assemble(found, (), None)


def test_the_document_gives_every_cell_its_outcome_on_every_gpu() -> None:
    found = evidence(aborting=(20,), gpus=("L40S", "T4"))
    document = json.loads(json.dumps(found.json()))
    assert (document["schema"], document["version"]) == ("llamaproof.dispatch", 3)
    assert document["target"]["sha256"] == "ab" * 32
    assert [gpu["name"] for gpu in document["gpus"]] == ["L40S", "T4"]
    for gpu, report in zip(document["gpus"], found.reports, strict=True):
        for row, answer in zip(document["cells"], gpu["answers"], strict=True):
            outcome = report.outcomes[rows.from_row(row)]
            told = document["outcomes"][answer]
            assert told["outcome"] == outcome.kind
            if outcome.use is not None:
                assert told["kernel"] == outcome.use.kernel.label
                assert told["columns"] == outcome.use.columns


def test_what_is_estimated_is_said_wherever_the_evidence_is() -> None:
    certain, estimated = evidence(), evidence(code="compute_75")
    words = "its registers are estimates"
    for found, said in ((certain, False), (estimated, True)):
        assert (words in " ".join(printed(table.print_survey, found).split())) == said
        assert (words in page.page(proved(found))) == said
        (gpu,) = found.json()["gpus"]
        assert gpu["registers_estimated"] == said
        assert gpu["code"] == (["compute_75"] if said else ["sm_89"])


def test_a_row_of_the_document_is_the_cell_it_came_from() -> None:
    assert [rows.from_row(rows.to_row(c)) for c in CELLS] == list(CELLS)


def test_the_document_names_unmet_requirements() -> None:
    wanted = requirement.parse("576/512@20:f16#1")
    found = evidence()
    only = requirement.Requirement(
        text=wanted.text, cells=tuple(c for c in wanted.cells if c in found.cells)
    )
    failures = requirement.unmet(only, found.outcomes)
    (entry,) = requirements_json([only], failures)
    assert entry["holds"] is False
    assert entry["unmet"] == [
        {
            "gpu": "L40S",
            "cell": "576/512@20 f16 tokens=1 kv=4096",
            "outcome": "falls back to the CPU",
        }
    ]


def test_the_document_of_a_comparison_counts_and_lists_changes() -> None:
    before, after = evidence(step=16), evidence(step=4)
    document = changes_json(before, changes(before.outcomes, after.outcomes))
    assert document["against"]["name"] == "release-16.whl"
    assert document["counts"] == {"better": 9, "worse": 0, "different": 0}
    assert len(document["changes"]) == 9
    gpu, verdict, was, became, row = document["changes"][0]
    assert (gpu, verdict, rows.from_row(row).heads.k) == ("L40S", "better", 576)
    assert document["outcomes"][was] == {"outcome": "cpu", "message": ""}
    assert document["outcomes"][became]["family"] == "mma"


def test_the_table_has_a_row_for_each_head_size_pair_and_type() -> None:
    text = printed(table.print_survey, evidence())
    assert "L40S (sm_89)" in text
    assert "576/512 f16" in text
    assert "mma %16 (25%) · CPU not %16" not in text  # the share stands at the end
    assert "mma %16 · CPU not %16 (25%)" in text


def test_several_gpus_are_columns() -> None:
    text = printed(table.print_survey, evidence(gpus=("L40S", "T4")))
    assert "L40S" in text
    assert "T4" in text
    assert "GPU %16 · CPU not %16" in text


def test_aborts_are_listed_with_what_was_printed() -> None:
    text = printed(table.print_aborts, evidence(aborting=(20,)))
    assert "aborts: fattn.cu:108: GGML_ASSERT(gqa_ratio % 16 == 0) failed" in text
    assert "L40S: 3 cells of 576/512 f16" in text
    assert printed(table.print_aborts, evidence()) == ""


def test_changes_are_a_table() -> None:
    before, after = evidence(step=16), evidence(step=4)
    changed = changes(before.outcomes, after.outcomes)
    text = printed(table.print_changes, before, after, changed)
    assert "9 cells better, 0 cells worse, 0 cells different" in text
    assert "%4 not %16" in text


class Page(HTMLParser):
    """Every tag that was opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "link"), "the page must need nothing else"
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, _tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Page:
    found = Page()
    found.feed(html)
    assert found.open == []
    return found


def test_the_page_is_whole_and_says_what_the_evidence_says() -> None:
    before, after = evidence(step=16), evidence(step=4, aborting=(20,), gpus=("L40S", "T4"))
    unmet = tuple(cell for cell in CELLS if cell.heads.k == 576 and cell.ratio == 1)
    wanted = requirement.Requirement(text="576/512@1:f16", cells=unmet)
    html = page.page(assemble(after, [wanted], before))
    found = read(html)
    assert "release-4.whl" in found.text
    assert "Compared with release-16.whl" in found.text
    assert "576/512@1:f16" in found.text
    assert "GGML_ASSERT(gqa_ratio % 16 == 0) failed <&>" in found.text
    assert "does not hold" in found.text


def test_ratios_that_meet_with_the_same_kernels_share_a_row() -> None:
    tables = {table.title: table for table in ratio_tables(evidence(gpus=("L40S", "T4")))}
    assert list(tables) == ["576/512, f16", "128, f16"]
    table = tables["576/512, f16"]
    assert table.head[:3] == ("GQA ratio", "L40S, 1 token", "L40S, 512 tokens")
    rows = [tuple(map(str, row)) for row in table.rows]
    assert [row[0] for row in rows] == ["not %16", "%16"]
    assert rows[0][1:] == ("CPU",) * 4
    assert rows[1][1] == "mma 4x4 (25%)" and rows[1][2] == "mma 4x4"


def test_no_ratio_is_left_out_however_many_runs_there_are() -> None:
    every_third = [ratio for ratio in range(1, 129) if ratio % 3 == 0]
    said = ratios_in_words(every_third, range(1, 129), most_runs=len(every_third))
    assert said == ",".join(map(str, every_third))


def test_cells_that_changed_alike_on_several_cards_share_a_row() -> None:
    before, after = (evidence(step=step, gpus=("L40S", "T4")) for step in (16, 4))
    changed = changes(before.outcomes, after.outcomes)
    one = [c for c in changed if c.gpu == "L40S"]
    (row,) = changes_table(changed, after).rows
    assert (str(row[0]), row[-2], row[-1]) == ("better", str(len(changed)), "every card")
    (row,) = changes_table(one, after).rows
    assert (row[-2], row[-1]) == (str(len(one)), "L40S")


def test_what_falls_back_is_told_in_a_row_for_all_that_is_alike() -> None:
    table = fallbacks_table(evidence(step=16, gpus=("L40S", "T4")))
    assert [tuple(map(str, row)) for row in table.rows] == [
        ("576/512", "every type examined", "a mask", "GPU %16 · CPU not %16", "every card")
    ]
    assert head_sizes_falling_back(evidence()) == (HeadSizes(k=576, v=512),)
    assert fallbacks_table(evidence(step=1)).rows == []
    assert "runs on the GPU" in page.page(proved(evidence(step=1)))


def test_what_falls_back_on_some_cards_names_them() -> None:
    good, bad = evidence(step=1, gpus=("H200",)), evidence(step=16)
    (row,) = fallbacks_table(replace(good, reports=(*good.reports, *bad.reports))).rows
    assert str(row[-1]) == "L40S"


def test_a_page_without_requirements_or_comparison_has_neither() -> None:
    text = read(page.page(proved(evidence()))).text
    assert "Required" not in text
    assert "Compared with" not in text

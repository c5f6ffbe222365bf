"""The pages for people say what the publication says, all of it escaped, and need nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from llamaproof.index.front_page import ShownKey
from llamaproof.index.model import Publication
from llamaproof.index.pages_for_people import pages_for_people
from tests.support.index.evidence_files import kept, write_evidence
from tests.support.index.publications import PUBLICATION, wheel_of

KEY = ShownKey(key_id="SHA256:abc", public="ssh-ed25519 AAAA", state="count from 2026-11-30 on")
FRONT = "index.html"
VARIANT = "cu130-sm89/index.html"


def pages(
    publication: Publication, folder: Path, keys: tuple[ShownKey, ...] = ()
) -> dict[str, str]:
    made = pages_for_people(publication, folder, keys)
    return {path: text.decode() for path, text in made.items()}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """Pages with pictures: the folder of files that they were made from, and their texts."""
    folder = tmp_path_factory.mktemp("files")
    write_evidence(PUBLICATION, folder, kept("0.3.36").to_json())
    return folder, pages(PUBLICATION, folder, (KEY,))


def words(html: str) -> str:
    """What a person reads of a page: its text without tags, spaces made one."""
    body = re.sub(r"<(style|svg|title)\b.*?</\1>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_the_front_page_leads_from_a_card_to_its_wheel(tmp_path: Path) -> None:
    front = pages(PUBLICATION, tmp_path)[FRONT]
    assert "L40S, RTX 4090 (sm_89) cu130-sm89 : driver 580 or newer" in words(front)
    assert '<a href="cu130-sm89/index.html">cu130-sm89</a>' in front
    assert "No wheel here runs on: P100 (sm_60)" in words(front)


def test_a_variant_whose_only_wheel_is_yanked_offers_none_and_says_why(tmp_path: Path) -> None:
    made = pages(PUBLICATION, tmp_path)
    assert "yanked: it aborts on &lt;T4&gt; &amp; others" in made["cu120-sm89/index.html"]
    assert "No wheel of this kind can be had at present." in made["cu120-sm89/index.html"]
    assert "pip install" not in made["cu120-sm89/index.html"]
    assert "cu120-sm89" not in words(made[FRONT]).partition("The wheels")[0]
    assert "it aborts on &lt;T4&gt; &amp; others" in made[FRONT]


def test_every_way_to_install_carries_the_hash_or_the_pin(tmp_path: Path) -> None:
    wheel = wheel_of("cu130-sm89", "13.0")
    page = words(pages(PUBLICATION, tmp_path)[VARIANT])
    address = "https://wheels.example/files/llama_cpp_python-0.3.16%2Bllamaproof.18.cu130.sm89"
    assert f"pip install &#39;llama-cpp-python @ {address}" in page
    assert page.count(f"whl#sha256={wheel.sha256}&#39; ") == 3
    assert f"llama-cpp-python=={wheel.version} --hash=sha256:{wheel.sha256}" in page
    assert "--extra-index-url https://wheels.example/cu130-sm89/simple/" in page
    assert f"uv add llama-cpp-python=={wheel.version}" in page


def test_an_index_that_does_not_know_its_address_says_so(tmp_path: Path) -> None:
    page = words(pages(replace(PUBLICATION, url=""), tmp_path)[VARIANT])
    assert "Write the address of this index for https://ADDRESS-OF-THIS-PAGE/" in page


def test_two_wheels_of_a_variant_are_told_apart(tmp_path: Path) -> None:
    one = wheel_of("cu130-sm89", "13.0")
    facts = replace(one.facts, platforms=("manylinux_2_34_aarch64",))
    other = replace(one, name="arm.whl", sha256="c" * 64, facts=facts)
    page = words(pages(replace(PUBLICATION, wheels=(one, other)), tmp_path)[VARIANT])
    assert f"How to install it: {one.name}" in page
    assert "How to install it: arm.whl" in page
    assert "What was not: arm.whl" in page
    assert one.sha256 in page and other.sha256 in page


def test_the_line_that_checks_a_wheel_names_its_hash(tmp_path: Path) -> None:
    page = words(pages(PUBLICATION, tmp_path)[VARIANT])
    wheel = wheel_of("cu130-sm89", "13.0")
    assert re.search(rf"llamaproof verify .*whl#sha256={wheel.sha256}&#39; --key keys.json", page)


def test_what_was_proved_and_what_was_not_are_told_apart_in_the_evidences_words(
    tmp_path: Path,
) -> None:
    page = words(pages(PUBLICATION, tmp_path)[VARIANT])
    proved, _, rest = page.partition("What was not")
    assert "The bindings match the binary holds: 0 defects" in proved
    assert "L40S (sm_89) attention on the GPU for 1 of 1 models; its numbers were proved" in proved
    assert "on the CPU: GLM-4.7-Flash; numbers not proved" in proved
    assert "Attention does no more work than it should left out: no counts" in rest
    assert "Kernels not executed as on: RTX 4090." in rest
    assert "how long anything takes, cannot be seen so" in rest


def test_a_promised_card_that_no_evidence_names_is_called_not_examined(tmp_path: Path) -> None:
    wheel = wheel_of("cu130-sm89", "13.0")
    first = replace(wheel.evidence, cards=wheel.evidence.cards[:1])
    found = replace(PUBLICATION, wheels=(replace(wheel, evidence=first),))
    page = words(pages(found, tmp_path)[VARIANT])
    assert "Not examined: RTX 4090 (of the same sm as L40S, which was)." in page


def test_the_benchmark_is_drawn_beside_published_releases(
    drawn: tuple[Path, dict[str, str]],
) -> None:
    page = drawn[1][VARIANT]
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    assert any("head sizes 576/512, GQA ratio 20" in caption for caption in captions)
    assert any("Without a line: 0.3.16 (attention runs on the CPU)" in text for text in captions)
    assert all("nothing was timed" in caption for caption in captions)
    assert page.count("<svg") == len(captions)


def test_why_there_is_no_picture_is_said(tmp_path: Path) -> None:
    assert "cannot read llama_cpp_python" in pages(PUBLICATION, tmp_path)[VARIANT]
    write_evidence(PUBLICATION, tmp_path, None)
    assert "No work was counted." in pages(PUBLICATION, tmp_path)[VARIANT]
    write_evidence(PUBLICATION, tmp_path, {**kept("0.3.36").to_json(), "version": 99})
    assert (
        "cannot be shown: this llamaproof.bench document is of"
        in (pages(PUBLICATION, tmp_path)[VARIANT])
    )


def test_keys_are_shown_with_what_their_signatures_are_worth(tmp_path: Path) -> None:
    assert "SHA256:abc its signatures count from 2026-11-30 on" in words(
        pages(PUBLICATION, tmp_path, (KEY,))[FRONT]
    )
    assert "are not signed" in words(pages(PUBLICATION, tmp_path)[FRONT])


@pytest.mark.parametrize("hostile", ["</style><script>alert(1)</script>", '"><img src=//x>', "'&<"])
def test_planted_hostile_texts_stay_text(tmp_path: Path, hostile: str) -> None:
    wheel = wheel_of("cu130-sm89", "13.0", yanked=hostile)
    other = replace(
        wheel,
        name=hostile + ".whl",
        version=hostile,
        sha256=hostile,
        published=hostile,
        yanked=None,
        facts=replace(wheel.facts, requires=(hostile,), patches=(hostile,), cuda_arch=(hostile,)),
        evidence=replace(wheel.evidence, outcome=hostile, against=hostile, required=(hostile,)),
    )
    variant = replace(PUBLICATION.variants[0], title=hostile, reason=hostile)
    found = Publication(title=hostile, url="", variants=(variant,), wheels=(wheel, other))
    for page in pages(found, tmp_path, (replace(KEY, key_id=hostile),)).values():
        assert hostile not in page
        assert "<script" not in page and "<img" not in page


def test_pages_need_nothing_from_elsewhere(drawn: tuple[Path, dict[str, str]]) -> None:
    for path, page in drawn[1].items():
        links = re.findall(r'\b(?:xlink:)?(?:href|src)="([^"]*)"', page)
        assert links, path
        assert not [link for link in links if ":" in link or link.startswith("/")], path
        assert not re.search(r"<(script|link|img|iframe|object)\b", page), path
        assert not re.search(r"url\((?!#)|@import", page), path


def test_the_same_publication_gives_the_same_bytes(drawn: tuple[Path, dict[str, str]]) -> None:
    folder, made = drawn
    assert pages(PUBLICATION, folder, (KEY,)) == made

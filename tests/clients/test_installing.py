"""What is released installs with real clients by the lines that its page tells, hash and all."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from llamaproof import cli
from llamaproof.errors import DEFECT, HOLDS
from llamaproof.files import sha256_of
from tests.support.clients.counter import (
    PLANTED,
    PLANTED_WITHOUT_PIN,
    PROJECT,
    PTX,
    SM89,
    Counter,
    altered_metadata_and_hash,
    open_counter,
    other_bytes_and_hash,
    renamed_to_an_older_platform,
    spoilt_copy,
)
from tests.support.clients.programs import (
    NAMES,
    OLD_PIP,
    PIP,
    UV,
    Program,
    empty_environment,
    version_in,
)
from tests.support.clients.reactions import Plant, as_markdown, row, title_of
from tests.support.needs import CHECKOUT
from tests.support.release.shop import EPOCH

PIPS = (OLD_PIP, PIP)
PAGE = CHECKOUT / "docs" / "release.md"


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", EPOCH)
        patch.delenv("LLAMAPROOF_SIGNING_KEY", raising=False)
        with open_counter(tmp_path_factory.mktemp("counter")) as opened:
            yield opened


@pytest.fixture
def python(tmp_path: Path) -> Path:
    return empty_environment(tmp_path / "environment")


def program(name: str, counter: Counter, tmp_path: Path) -> Program:
    home = tmp_path / "home"
    home.mkdir()
    return Program(name=name, home=home, usual=counter.usual)


def typed(client: Program, line: str, python: Path, cwd: Path) -> None:
    """Type a line of the page for people, with this client and into this environment."""
    words = shlex.split(line)
    if words[0] == "echo":
        text, arrow, target = words[1:]
        assert arrow == ">"
        (cwd / target).write_text(text + "\n")
        return
    arguments = words[words.index("install") + 1 :]
    done = client.install(python, *arguments, cwd=cwd)
    assert done.returncode == 0, done.output


@pytest.mark.parametrize("variant", [SM89, PTX])
@pytest.mark.parametrize("name", NAMES)
def test_the_pages_line_for_the_very_file_installs_it(
    counter: Counter, name: str, variant: str, python: Path, tmp_path: Path
) -> None:
    client = program(name, counter, tmp_path)
    pip_line, uv_line = counter.lines_to_install(variant)[0]
    typed(client, uv_line if client.is_uv else pip_line, python, tmp_path)
    assert version_in(python) == counter.wheel(variant).version


@pytest.mark.parametrize("name", NAMES)
def test_planted_a_wrong_hash_in_that_line_is_refused(
    counter: Counter, name: str, python: Path, tmp_path: Path
) -> None:
    client = program(name, counter, tmp_path)
    line = counter.lines_to_install(SM89)[0][0]
    address = shlex.split(line)[-1].replace(counter.wheel(SM89).sha256, "0" * 64)
    done = client.install(python, address)
    assert done.returncode != 0
    assert version_in(python) == ""
    assert "hash" in done.output.lower()


@pytest.mark.parametrize("name", PIPS)
def test_the_pages_lines_with_required_hashes_install_it_and_what_it_depends_on(
    counter: Counter, name: str, python: Path, tmp_path: Path
) -> None:
    client = program(name, counter, tmp_path)
    for line in counter.lines_to_install(SM89)[1]:
        typed(client, line, python, tmp_path)
    assert version_in(python) == counter.wheel(SM89).version
    installed = {path.name.partition("-")[0] for path in python.parents[1].rglob("*.dist-info")}
    assert installed == {"llama_cpp_python", "numpy", "nvidia_cublas", "nvidia_cuda_runtime"}


def test_the_pages_line_for_uv_locks_it_with_its_hash(counter: Counter, tmp_path: Path) -> None:
    client = program(UV, counter, tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\n'
    )
    (line,) = counter.lines_to_install(SM89)[2]
    done = client.uv(*shlex.split(line)[1:], cwd=project)
    assert done.returncode == 0, done.output
    lock = (project / "uv.lock").read_text()
    wheel = counter.wheel(SM89)
    assert f"sha256:{wheel.sha256}" in lock
    assert wheel.version in lock
    assert client.uv("lock", "--check", cwd=project).returncode == 0
    assert version_in(project / ".venv" / "bin" / "python") == wheel.version


@pytest.mark.parametrize("name", PIPS)
def test_pip_download_brings_the_bytes_that_were_published(
    counter: Counter, name: str, tmp_path: Path
) -> None:
    client = program(name, counter, tmp_path)
    wheel = counter.wheel(PTX)
    done = client.run(
        "download", "--no-deps", "--dest", str(tmp_path / "got"), "--extra-index-url",
        counter.simple(PTX), f"{PROJECT}=={wheel.version}",
    )  # fmt: skip
    assert done.returncode == 0, done.output
    (got,) = (tmp_path / "got").iterdir()
    assert (got.name, sha256_of(got)) == (wheel.name, wheel.sha256)


@pytest.mark.parametrize("name", NAMES)
def test_the_index_of_a_variant_never_serves_another(
    counter: Counter, name: str, python: Path, tmp_path: Path
) -> None:
    client = program(name, counter, tmp_path)
    option = "--index" if client.is_uv else "--extra-index-url"
    asked = f"{PROJECT}=={counter.wheel(SM89).version}"
    assert client.install(python, option, counter.simple(PTX), asked).returncode != 0
    assert version_in(python) == ""
    done = client.install(python, option, counter.simple(), asked)
    assert done.returncode == 0, done.output


@pytest.mark.parametrize("plant", [None, *PLANTED], ids=title_of)
def test_what_each_client_notices_is_what_the_page_on_releases_says(
    counter: Counter, plant: Plant | None, tmp_path: Path
) -> None:
    assert as_markdown([row(counter, plant, tmp_path, pinned=True)]) in PAGE.read_text()


@pytest.mark.parametrize("plant", PLANTED_WITHOUT_PIN, ids=title_of)
def test_what_each_client_takes_without_a_pin_is_what_the_page_on_releases_says(
    counter: Counter, plant: Plant | None, tmp_path: Path
) -> None:
    table = PAGE.read_text().partition("Without `==`")[2]
    assert as_markdown([row(counter, plant, tmp_path, pinned=False)]) in table


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (other_bytes_and_hash, "provenance"),
        (altered_metadata_and_hash, "METADATA"),
        (renamed_to_an_older_platform, "tag"),
    ],
)
def test_what_clients_install_all_the_same_is_refused_by_verify(
    counter: Counter, plant: Plant, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with spoilt_copy(counter, tmp_path) as copy:
        page = f"{copy.simple(SM89)}{PROJECT}/"
        keys = str(counter.root / "keys.json")
        assert cli.main(["verify", page, "--key", keys]) == HOLDS
        plant(copy)
        capsys.readouterr()
        assert cli.main(["verify", page, "--key", keys]) == DEFECT
    assert said in capsys.readouterr().out


def test_the_page_on_releases_has_no_row_that_no_test_makes() -> None:
    text = PAGE.read_text().partition("## What clients notice")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    told = [line.split(" | ")[0].removeprefix("| ") for line in rows]
    made = [*map(title_of, (None, *PLANTED)), *map(title_of, PLANTED_WITHOUT_PIN)]
    assert [title for title in told if title not in ("planted", "---")] == made
    assert rows[0] == as_markdown([("planted", *NAMES)]).strip()

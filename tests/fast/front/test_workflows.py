"""The hosted CI runs the recipes and nothing of its own, by actions that cannot be moved."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from llamaproof.process import Completed, run
from tests.support.needs import CHECKOUT

WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
TOOLS = Path(sys.executable).parent
PINNED = re.compile(r"^\s*(?:- )?uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
# What is no recipe: what the machine needs, the matrix for the jobs, the secret for a file.
NO_RECIPE = (
    re.compile(r"\.ci/run"),
    re.compile(r"apt-get update"),
    re.compile(r"apt-get install -y --no-install-recommends [a-z0-9+ -]+"),
    re.compile(r'echo "matrix=\$\(\./just matrix\)" >> "\$GITHUB_OUTPUT"'),
    re.compile(r"\(umask 077 && printf '%s\\n' \"\$KEY\" > \"\$LLAMAPROOF_SIGNING_KEY\"\)"),
)


def jobs_of(workflow: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(workflow)["jobs"]
    return found


def lines_of(workflow: Path) -> Iterator[str]:
    for job in jobs_of(workflow).values():
        for step in job["steps"]:
            yield from str(step.get("run", "")).splitlines()


def recipes() -> set[str]:
    text = (CHECKOUT / "Justfile").read_text()
    return set(re.findall(r"^([a-z][\w-]*)(?: [^:=]*)?:(?!=)", text, re.MULTILINE))


def schema_check(workflow: Path) -> Completed:
    program = TOOLS / "check-jsonschema"
    return run((program, "--builtin-schema", "vendor.github-workflows", workflow), check=False)


def audit(workflow: Path) -> Completed:
    return run((TOOLS / "zizmor", "--offline", "--quiet", workflow), check=False)


def test_there_is_a_workflow_for_changes_and_one_for_releases() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_each_line_that_is_run_is_a_recipe(workflow: Path) -> None:
    lines = list(lines_of(workflow))
    assert lines
    for line in lines:
        if any(form.fullmatch(line) for form in NO_RECIPE):
            continue
        program, recipe, *_ = line.split()
        assert program == "./just", line
        assert recipe in recipes(), line


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_each_action_is_pinned_by_its_commit_with_the_version_beside_it(workflow: Path) -> None:
    uses = [line for line in workflow.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.match(line)] == []


def test_only_the_job_that_signs_has_the_key_and_only_two_have_an_identity() -> None:
    jobs = jobs_of(CHECKOUT / ".github" / "workflows" / "release.yml")
    assert [name for name, job in jobs.items() if "secrets." in str(job)] == ["release"]
    with_identity = [name for name, job in jobs.items() if "id-token" in job["permissions"]]
    assert with_identity == ["release", "publish"]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_the_linters_have_nothing_to_say(workflow: Path) -> None:
    assert (schema_check(workflow).returncode, audit(workflow).returncode) == (0, 0)


def test_planted_what_is_no_workflow_is_refused(tmp_path: Path) -> None:
    planted = tmp_path / "planted.yml"
    planted.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs-no:"))
    assert schema_check(planted).returncode != 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"@[0-9a-f]{40} # v[\d.]+", "@v7", "unpinned-uses"),
        (r"- run: \./just test\n", "- run: echo ${{ github.head_ref }}\n", "template-injection"),
        ("pull_request:", "pull_request_target:", "dangerous-triggers"),
    ],
)
def test_planted_what_lets_others_in_is_refused(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    planted = tmp_path / "planted.yml"
    text = WORKFLOWS[0].read_text()
    assert re.search(old, text)
    planted.write_text(re.sub(old, new, text))
    found = audit(planted)
    assert found.returncode != 0
    assert said in found.output

"""A worker is asked, answers, says what went wrong, or dies: each is told apart."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import llamaproof
from llamaproof.errors import CommandFailed, LlamaproofError
from llamaproof.workers.worker import Worker

MODULE = """
import os, sys
from llamaproof.workers.worker import serve
from llamaproof.errors import BadInput

def examine(job):
    print("loading")
    print(3, flush=True)
    if job["end"] == "refuse":
        raise BadInput("no device", where="here", hint="get one")
    if job["end"] == "abort":
        print("ggml.c:12: GGML_ASSERT(x) failed", flush=True)
        os.abort()
    if job["end"] == "vanish":
        os._exit(0)
    return {"graphs": os.environ["GGML_CUDA_DISABLE_GRAPHS"], "job": job}

if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], examine))
"""

done: list[int] = []


def ask(folder: Path, end: str) -> dict[str, object]:
    (folder / "toy_worker.py").write_text(MODULE)
    paths = [str(folder), str(Path(llamaproof.__file__).parents[1])]
    worker = Worker(module="toy_worker", failed="it could not be examined", silence_limit_s=60)
    done.clear()
    return worker.ask(
        {"end": end},
        folder,
        about="some.whl",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        on_done=done.append,
    )


def test_its_answer_is_taken_and_its_progress_told(tmp_path: Path) -> None:
    assert ask(tmp_path, "well") == {"graphs": "1", "job": {"end": "well"}}
    assert done == [3]


def test_what_it_refuses_is_an_error_about_the_target(tmp_path: Path) -> None:
    with pytest.raises(LlamaproofError, match="no device") as caught:
        ask(tmp_path, "refuse")
    assert (caught.value.where, caught.value.hint) == ("some.whl", "get one")


def test_its_death_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"it could not be examined: .*GGML_ASSERT\(x\) failed"):
        ask(tmp_path, "abort")


def test_an_end_without_an_answer_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="it could not be examined"):
        ask(tmp_path, "vanish")


def test_an_earlier_answer_is_not_taken_for_its_own(tmp_path: Path) -> None:
    assert ask(tmp_path, "well")
    with pytest.raises(CommandFailed):
        ask(tmp_path, "vanish")


def test_this_llamaproof_is_first_whatever_the_environment_names(tmp_path: Path) -> None:
    worker = Worker(module="any", failed="", silence_limit_s=1)
    paths = worker.environment({"PYTHONPATH": str(tmp_path), "OTHER": "kept"})
    assert paths["PYTHONPATH"].split(os.pathsep) == [
        str(Path(llamaproof.__file__).parents[1]),
        str(tmp_path),
    ]
    assert paths["OTHER"] == "kept"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH came with Python 3.11")
def test_a_module_in_the_working_directory_is_not_taken_for_pythons_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tempfile.py").write_text("raise RuntimeError('not this one')\n")
    monkeypatch.chdir(tmp_path)
    modules = tmp_path / "modules"
    modules.mkdir()
    assert ask(modules, "well")


def test_one_that_nobody_vouched_for_sees_the_standard_library_alone(tmp_path: Path) -> None:
    package = tmp_path / "found"
    package.mkdir()
    (package / "toy_alone.py").write_text(
        "import json, sys\n"
        "try:\n    import llamaproof\n    said = 'seen'\n"
        "except ImportError:\n    said = 'not seen'\n"
        "json.dump({'llamaproof': said, 'path': sys.flags.isolated}, open(sys.argv[2], 'w'))\n"
    )
    sys.path.insert(0, str(package))
    try:
        worker = Worker(
            module="toy_alone", failed="it failed", silence_limit_s=60, vouched_for=False
        )
        answer = worker.ask({}, tmp_path, about="it", env=os.environ)
    finally:
        sys.path.remove(str(package))
    assert answer == {"llamaproof": "not seen", "path": 1}

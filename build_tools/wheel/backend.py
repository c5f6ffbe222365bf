"""From a patched tree to a wheel as the source's own build backend makes it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from build import BuildBackendException, ProjectBuilder

from build_tools.wheel.enclosure import Enclosure
from build_tools.wheel.output import BackendOutput
from llamaproof.errors import CommandFailed, LlamaproofError
from llamaproof.process import describe_status, run

# A CUDA object with many template instances prints nothing for minutes on a slow machine.
_SILENCE_LIMIT_S = 1800.0

_CACHED = Path(__file__).with_name("cached.py")


@dataclass(frozen=True, kw_only=True)
class BackendWheel:
    """What the backend left: its wheel, and how many steps ninja ran for it.

    Attributes:
        path: the wheel, for this machine alone and under the release's plain version.
        steps: 0 when nothing had changed.
    """

    path: Path
    steps: int


def run_backend(
    tree: Path,
    out: Path,
    settings: Mapping[str, str | Sequence[str]],
    *,
    enclosure: Enclosure,
    environment: Mapping[str, str],
    cache: Path | None = None,
) -> BackendWheel:
    """Let the backend that the tree's pyproject.toml names configure, compile and pack.

    Its needs are not installed anew: the environment that runs this holds them, by its lock.

    Args:
        tree: an unpacked llama-cpp-python source.
        out: the folder for the wheel.
        settings: the backend's, as `config_settings` makes them.
        enclosure: where it runs.
        environment: all variables that it sees.
        cache: sccache, where the settings name it as the compilers' launcher.

    Raises:
        CommandFailed: with the compiler's words.
    """
    output = BackendOutput(sys.stdout.write)

    def run_hook(
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        run(
            enclosure.command(cmd if cache is None else _beside_cache(cache, enclosure, cmd)),
            cwd=None if cwd is None else Path(cwd),
            env={**environment, **(extra_environ or {})},
            on_line=output,
            silence_limit_s=_SILENCE_LIMIT_S,
        )

    builder = ProjectBuilder(tree, str(enclosure.python), run_hook)
    try:
        wheel = builder.build("wheel", out, settings)
    except BuildBackendException as error:
        if isinstance(error.exception, CommandFailed):
            raise _of_the_source(error.exception, tree) from None
        raise LlamaproofError(f"the build backend failed: {error}", where=tree) from error
    return BackendWheel(path=Path(wheel), steps=output.steps)


def _of_the_source(failed: CommandFailed, tree: Path) -> CommandFailed:
    """The failure of what was really wanted, not of the programs that started it."""
    if failed.returncode is None:
        return failed
    return CommandFailed(
        f"the source's build backend {describe_status(failed.returncode)}",
        where=tree,
        hint="the first error above says why",
        returncode=failed.returncode,
        output=failed.output,
    )


def _beside_cache(cache: Path, enclosure: Enclosure, command: Sequence[str]) -> tuple[str, ...]:
    return (str(enclosure.python), "-I", str(_CACHED), str(cache), "--", *command)

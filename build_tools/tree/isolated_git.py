"""The git command, run as if nobody had ever configured it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llamaproof.errors import CommandFailed
from llamaproof.exits import MAKE_ROOM
from llamaproof.process import Answer, ask, describe_status

# Every commit is a function of its content alone.
_NAME = "llamaproof"
COMMITTER_EMAIL = "llamaproof@llamaproof.invalid"
_DATE = "946684800 +0000"  # 1 January 2000

# Also written to the tree's own configuration, so that git started there by hand behaves alike.
SETTINGS: Mapping[str, str] = {
    "core.abbrev": "40",
    "core.attributesFile": os.devnull,
    "core.autocrlf": "false",
    "core.bare": "false",
    "core.excludesFile": os.devnull,
    "core.fileMode": "true",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.ignoreCase": "false",
    "core.looseCompression": "1",
    "core.precomposeUnicode": "false",
    "core.quotePath": "true",
    "core.safecrlf": "false",
    "core.symlinks": "true",
    "core.untrackedCache": "false",
    "apply.whitespace": "nowarn",
    "apply.ignoreWhitespace": "no",
    "commit.gpgSign": "false",
    "diff.renames": "false",
    "gc.auto": "0",
    "i18n.commitEncoding": "UTF-8",
    "maintenance.auto": "false",
}

# git's words for a file that it could not write.
_WORDS_OF_A_FULL_DISK = (
    "No space left on device",
    "Out of diskspace",
    "unable to write",
    "failed to write",
    "SIGXFSZ",
)

# What git needs of the environment to run at all.
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "TMPDIR")


@dataclass(frozen=True, kw_only=True)
class IsolatedGit:
    """git bound to one work tree and its repository.

    The command runs in an environment made from nothing: no configuration, template, hook,
    attribute or GIT_ variable of the user's reaches it, and no repository around the tree is
    looked for.
    """

    work_tree: Path
    git_dir: Path

    def run(
        self,
        *args: str,
        stdin: bytes = b"",
        index: Path | None = None,
        allowed: tuple[int, ...] = (0,),
    ) -> Answer:
        """Run one git command in the work tree.

        Args:
            index: the index file; None is the repository's own.
            allowed: exit statuses that are an answer; git's own errors end with 128.

        Raises:
            CommandFailed: with git's words.
        """
        command = ["git", "-C", str(self.work_tree)]
        command += [part for key, value in SETTINGS.items() for part in ("-c", f"{key}={value}")]
        answer = ask((*command, *args), stdin=stdin, env=self._environment(index))
        if answer.returncode not in allowed:
            status = describe_status(answer.returncode)
            raise CommandFailed(
                f"git {args[0]} {status}",
                where=self.work_tree,
                hint=_hint_for(f"{status} {answer.stderr}"),
                returncode=answer.returncode,
                output=tuple(answer.stderr.splitlines()),
            )
        return answer

    def text(self, *args: str, index: Path | None = None) -> str:
        """The output of a command that prints one line, without its end."""
        return os.fsdecode(self.run(*args, index=index).stdout).rstrip("\n")

    def names(self, *args: str, index: Path | None = None) -> tuple[str, ...]:
        """The output of a command that prints paths, each ended by a NUL."""
        output = os.fsdecode(self.run(*args, index=index).stdout)
        return tuple(name for name in output.split("\0") if name)

    def _environment(self, index: Path | None) -> dict[str, str]:
        variables = {name: os.environ[name] for name in _KEPT_VARIABLES if os.environ.get(name)} | {
            "LC_ALL": "C",
            "TZ": "UTC",
            "HOME": os.devnull,
            "XDG_CONFIG_HOME": os.devnull,
            "GIT_DIR": str(self.git_dir),
            "GIT_WORK_TREE": str(self.work_tree),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": _NAME,
            "GIT_AUTHOR_EMAIL": COMMITTER_EMAIL,
            "GIT_AUTHOR_DATE": _DATE,
            "GIT_COMMITTER_NAME": _NAME,
            "GIT_COMMITTER_EMAIL": COMMITTER_EMAIL,
            "GIT_COMMITTER_DATE": _DATE,
        }
        if index is not None:
            variables["GIT_INDEX_FILE"] = str(index)
        return variables


def _hint_for(words: str) -> str:
    """What to do next when git's words mean a full disk; else nothing."""
    return MAKE_ROOM if any(known in words for known in _WORDS_OF_A_FULL_DISK) else ""

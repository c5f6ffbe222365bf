"""The git repository that a source tree is: its base, and the commits on it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from build_tools.pin.tree_hash import TreeEntry, combine
from build_tools.tree.isolated_git import COMMITTER_EMAIL, SETTINGS, IsolatedGit
from llamaproof.errors import BadInput, CommandFailed, LlamaproofError

_BRANCH = "refs/heads/patched"
_BASE = "refs/llamaproof/base"
# Where these tools last brought the tree; commits beyond it are the user's.
_APPLIED = "refs/llamaproof/applied"

# Any .gitattributes of the sources' own is overruled: files are bytes, every diff is plain text.
_ATTRIBUTES = "* -text !eol -ident !filter !working-tree-encoding !diff !merge !whitespace\n"

# What an install of llama-cpp-python from this tree, or Python, leaves in it.
_BUILD_OUTPUTS = "/llama_cpp/lib/\n__pycache__/\n"

_SCRATCH = "llamaproof-scratch-"

# git holds a lock file for as long as it writes one file: an older one was left by a git that died.
_LOCK_LIFETIME_S = 60.0

_MODES = {b"100644": "-", b"100755": "x", b"120000": "l"}


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A file as a commit has it: git's mode, and the id of its content."""

    mode: bytes
    blob_id: str


class Repository:
    """A source tree under git."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git_dir = path / ".git"
        self.exclude_file = self.git_dir / "info" / "exclude"
        self.git = IsolatedGit(work_tree=path, git_dir=self.git_dir)

    @property
    def base(self) -> str:
        """The commit of the unpatched source."""
        return self.commit_id(_BASE)

    @property
    def head(self) -> str:
        """The commit that the work tree stands at."""
        return self.commit_id("HEAD")

    @property
    def applied(self) -> str:
        """The commit that the tools last brought the tree to."""
        return self.commit_id(_APPLIED)

    @classmethod
    def create(cls, path: Path, message: str) -> Repository:
        """Make an unpacked source a repository whose one commit, the base, is all of it."""
        repository = cls(path)
        git = repository.git
        git.run("init", "--quiet", "--template=")
        git.run("symbolic-ref", "HEAD", _BRANCH)
        info = repository.git_dir / "info"
        info.mkdir(exist_ok=True)
        (info / "attributes").write_text(_ATTRIBUTES)
        repository.exclude_file.write_text(_BUILD_OUTPUTS)
        with (repository.git_dir / "config").open("a") as config:
            config.write(_settings_text())
        git.run("add", "--all", "--force", ".")
        commit = repository.commit(git.text("write-tree"), parent=None, message=message.encode())
        git.run("update-ref", _BASE, commit)
        repository.stand_at(commit)
        return repository

    def commit_id(self, revision: str) -> str:
        return self._known("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")

    def tree_id(self, revision: str) -> str:
        """git's id of a commit's tree."""
        return self._known("rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}")

    def message(self, commit: str) -> bytes:
        """A commit's message, as its object holds it."""
        return self.git.run("cat-file", "commit", commit).stdout.partition(b"\n\n")[2]

    def commit(self, tree: str, *, parent: str | None, message: bytes) -> str:
        """Write a commit object; nothing points to it yet."""
        parents = () if parent is None else ("-p", parent)
        result = self.git.run("commit-tree", tree, *parents, "-F", "-", stdin=message)
        return result.stdout.decode().strip()

    def stand_at(self, commit: str) -> None:
        """Say that the work tree has been brought to a commit."""
        self.git.run("update-ref", "HEAD", commit)
        self.git.run("update-ref", _APPLIED, commit)

    def commits_after_base(self) -> tuple[str, ...]:
        """The commits from the base (not counted) to where the work tree stands, oldest first.

        Raises:
            BadInput: they do not lead there from the base in one line.
        """
        base, head = self.base, self.head
        lines = self.git.text("rev-list", "--reverse", "--parents", f"{base}..{head}").splitlines()
        previous = base
        for line in lines:
            commit, *parents = line.split()
            if parents != [previous]:
                raise BadInput(
                    "the tree's commits are no line from its base",
                    where=self.path,
                    hint=f"commit {commit} has parents {parents}; rebase them onto {base}",
                )
            previous = commit
        if previous != head:
            raise BadInput("the tree does not stand on its base", where=self.path)
        return tuple(line.split()[0] for line in lines)

    def foreign_commits(self) -> tuple[str, ...]:
        """The commits after the base that were made by hand: those of ours can be made again.

        Raises:
            BadInput: the commits do not lead from the base in one line.
        """
        commits = self.commits_after_base()
        shown = self.git.text("log", "--format=%H %ce", f"{self.base}..{self.head}")
        committers = dict(line.split(" ", 1) for line in shown.splitlines())
        return tuple(commit for commit in commits if committers[commit] != COMMITTER_EMAIL)

    def files(self, revision: str) -> Mapping[str, Blob]:
        """Every file of a commit."""
        found = {}
        listed = self.git.run("ls-tree", "-r", "-z", "--full-tree", revision).stdout
        for record in listed.split(b"\0"):
            if record:
                facts, _, name = record.partition(b"\t")
                mode, _, blob_id = facts.split(b" ")
                found[os.fsdecode(name)] = Blob(mode=mode, blob_id=blob_id.decode())
        return found

    def content(self, revision: str, path: str) -> bytes:
        """A file's content in a commit."""
        return self.git.run("cat-file", "blob", f"{revision}:{path}").stdout

    def hash_tree(self, revision: str) -> str:
        """A commit's tree hash, as `tree_hash` defines it."""
        files = self.files(revision)
        contents = self._read_blobs([blob.blob_id for blob in files.values()])
        return combine(
            TreeEntry(path=path, kind=_MODES[blob.mode], sha256=hashlib.sha256(content).hexdigest())
            for (path, blob), content in zip(files.items(), contents, strict=True)
        )

    def differing(self, old: str, new: str) -> tuple[str, ...]:
        """Files that are not the same in two commits."""
        return self.git.names("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)

    def clear_remains(self) -> None:
        """Clear what a run left that was killed; the caller has the tree to itself.

        Raises:
            BadInput: a git started by hand seems to be at work in the tree.
        """
        for scratch in self.git_dir.glob(f"{_SCRATCH}*"):
            shutil.rmtree(scratch, ignore_errors=True)
        for lock in (*self.git_dir.glob("*.lock"), *self.git_dir.glob("refs/**/*.lock")):
            if time.time() - lock.stat().st_mtime < _LOCK_LIFETIME_S:
                raise BadInput(
                    "another git is at work in the tree, or was killed a moment ago",
                    where=lock,
                    hint="wait for it; if there is none, delete this file",
                )
            lock.unlink()

    @contextlib.contextmanager
    def scratch(self, purpose: str) -> Iterator[Path]:
        """An empty folder inside the repository's own, gone afterwards."""
        folder = Path(tempfile.mkdtemp(prefix=f"{_SCRATCH}{purpose}-", dir=self.git_dir))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _known(self, *args: str) -> str:
        try:
            return self.git.text(*args)
        except CommandFailed as error:
            raise LlamaproofError(
                f"the tree's repository does not know {args[-1]}",
                where=self.path,
                hint="delete the folder: the next run makes it again",
            ) from error

    def _read_blobs(self, blob_ids: Sequence[str]) -> Iterator[bytes]:
        request = "".join(f"{blob_id}\n" for blob_id in blob_ids).encode()
        output = self.git.run("cat-file", "--batch", stdin=request).stdout
        position = 0
        for _ in blob_ids:
            end = output.index(b"\n", position)
            size = int(output[position:end].split(b" ")[2])
            yield output[end + 1 : end + 1 + size]
            position = end + size + 2


def _settings_text() -> str:
    parts = [(*key.split("."), value) for key, value in SETTINGS.items()]
    return "".join(f"[{section}]\n\t{name} = {value}\n" for section, name, value in parts)

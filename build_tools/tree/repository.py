"""The git repository that a source tree is: its base, its commits, its work tree."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
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

# Whatever could be configured is said. Renames are told apart by guesses that git's releases
# differ in: they are written as a file gone and a file come.
_DIFF = (
    "-r", "--patch", "--full-index", "--no-renames", "--unified=3", "--inter-hunk-context=0",
    "--diff-algorithm=myers", "--indent-heuristic", "--no-color", "--no-ext-diff",
    "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "--line-prefix=", "--no-relative",
    "--submodule=short", f"-O{os.devnull}",
)  # fmt: skip

_SCRATCH = "llamaproof-scratch-"

# Names the commit that a move goes to, from its first rename to its last step.
_JOURNAL = "llamaproof-moving"

# git holds a lock file for as long as it writes one file: an older one was left by a git that died.
_LOCK_LIFETIME_S = 60.0

_OPERATIONS = (
    "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge", "rebase-apply",
)  # fmt: skip

_MODES = {b"100644": "-", b"100755": "x", b"120000": "l"}


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A file as a commit has it: git's mode, and the id of its content."""

    mode: bytes
    blob_id: str


def _settings_text() -> str:
    parts = [(*key.split("."), value) for key, value in SETTINGS.items()]
    return "".join(f"[{section}]\n\t{name} = {value}\n" for section, name, value in parts)


class Repository:
    """A source tree under git. The only writer of the tree's files once the base is laid."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git_dir = path / ".git"
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
        """The commit that `move_to` last brought the tree to."""
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
        (info / "exclude").write_text(_BUILD_OUTPUTS)
        with (repository.git_dir / "config").open("a") as config:
            config.write(_settings_text())
        git.run("add", "--all", "--force", ".")
        commit = repository.commit(git.text("write-tree"), parent=None, message=message.encode())
        git.run("update-ref", _BASE, commit)
        git.run("update-ref", _APPLIED, commit)
        git.run("update-ref", "HEAD", commit)
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
        for record in self.git.run("ls-tree", "-r", "-z", "--full-tree", revision).stdout.split(
            b"\0"
        ):
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

    def edited_files(self) -> tuple[str, ...]:
        """Files that differ from where the tree stands, new ones too; build outputs aside."""
        self.git.run("update-index", "-q", "--refresh", allowed=(0, 1))
        found = {
            *self.git.names("diff-index", "-z", "--name-only", "HEAD"),
            *self.git.names("diff-index", "-z", "--name-only", "--cached", "HEAD"),
            # Not the tree's own .gitignore: CMake's globs take in what it ignores.
            *self.git.names(
                "ls-files", "-z", "--others", f"--exclude-from={self.git_dir / 'info' / 'exclude'}"
            ),
        }
        return tuple(sorted(found))

    def require_unedited(self) -> None:
        """Raise unless the work tree is just what its commit says.

        Raises:
            BadInput: naming the files.
        """
        edited = self.edited_files()
        if edited:
            raise self._dirty(edited)

    def differing(self, old: str, new: str) -> tuple[str, ...]:
        """Files that are not the same in two commits."""
        return self.git.names("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)

    def move_to(self, target: str) -> tuple[str, ...]:
        """Make the work tree what a commit says, and stand there.

        A file whose content is right already is not touched, its modification time stays. New
        content is written beside the tree first and renamed into place at the end, so that a
        full disk stops this before it has changed anything. An interrupt may leave files of both
        commits; the next move finishes that one first.

        Returns:
            The files that were written or removed.

        Raises:
            BadInput: the user's edits stand in the way; nothing has been changed.
        """
        with self.staged_move(target) as finish:
            return finish()

    @contextlib.contextmanager
    def staged_move(self, target: str) -> Iterator[Callable[[], tuple[str, ...]]]:
        """`move_to` in two steps: all that may fail or take room is done first.

        Gives a function that does the rest, by renaming.
        """
        self._finish_interrupted(target)
        self._require_no_operation()
        wanted = self.files(target)
        touched = self._plan(target, wanted)
        with self.scratch("move") as scratch:
            index = scratch / "index"
            shutil.copy2(self.git_dir / "index", index)
            self.git.run("read-tree", "--reset", "-i", target, index=index)
            stage = scratch / "files"
            self._write_stage([n for n in touched if n in wanted], stage, index)
            (scratch / _JOURNAL).write_text(target)

            def finish() -> tuple[str, ...]:
                (scratch / _JOURNAL).replace(self.git_dir / _JOURNAL)
                self._rename_into_place(touched, stage)
                self.git.run("update-index", "-q", "--refresh", index=index)
                index.replace(self.git_dir / "index")
                shutil.rmtree(scratch)
                self.git.run("update-ref", "HEAD", target)
                self.git.run("update-ref", _APPLIED, target)
                (self.git_dir / _JOURNAL).unlink()
                return touched

            yield finish

    def is_interrupted(self) -> bool:
        """Whether a move was cut off; the next one finishes it first."""
        return (self.git_dir / _JOURNAL).exists()

    def _finish_interrupted(self, target: str) -> None:
        if self.is_interrupted():
            interrupted = (self.git_dir / _JOURNAL).read_text()
            if interrupted != target:
                self.move_to(interrupted)

    def _plan(self, target: str, wanted: Mapping[str, Blob]) -> tuple[str, ...]:
        """The files to write or remove; an edit that is what is wanted is no edit."""
        edited = self.edited_files()
        staged = self._staged()
        lost = [
            name
            for name in edited
            if not self._is_in_state(name, wanted.get(name))
            or (name in staged and staged[name] != wanted.get(name))
        ]
        if lost:
            raise self._dirty(lost)
        candidates = {*edited, *self.differing("HEAD", target)}
        return tuple(sorted(n for n in candidates if not self._is_in_state(n, wanted.get(n))))

    def tree_with_edits(self) -> str:
        """The work tree as it is, with edits and new files, written as a git tree; its id."""
        with self.scratch("edits") as scratch:
            index = scratch / "index"
            shutil.copy2(self.git_dir / "index", index)
            self.git.run("read-tree", "--reset", "-i", "HEAD", index=index)
            names = b"".join(os.fsencode(name) + b"\0" for name in self.edited_files())
            self.git.run(
                "update-index", "-z", "--add", "--remove", "--stdin", stdin=names, index=index
            )
            return self.git.text("write-tree", index=index)

    def diff(self, old: str, new: str) -> bytes:
        """The difference of two commits or trees, the same bytes whatever git's version and mood.

        Raises:
            BadInput: it holds a binary file.
        """
        diff = self.git.run("diff-tree", *_DIFF, old, new).stdout
        binary = re.findall(rb"^Binary files (.*) differ$", diff, re.MULTILINE)
        if binary:
            raise BadInput(
                f"a text series cannot hold a binary file: {binary[0].decode('utf-8', 'replace')}",
                where=self.path,
            )
        return diff

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

    def _staged(self) -> Mapping[str, Blob | None]:
        """Files whose index entry is not what HEAD has; None where the index has none."""
        names = self.git.names("diff-index", "-z", "--name-only", "--cached", "HEAD")
        if not names:
            return {}
        entries: dict[str, Blob] = {}
        for record in self.git.run("ls-files", "--stage", "-z").stdout.split(b"\0"):
            if record:
                facts, _, name = record.partition(b"\t")
                mode, blob_id, _ = facts.split(b" ")
                entries[os.fsdecode(name)] = Blob(mode=mode, blob_id=blob_id.decode())
        return {name: entries.get(name) for name in names}

    def _is_in_state(self, name: str, blob: Blob | None) -> bool:
        path = self.path / name
        try:
            mode = path.lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return blob is None
        if blob is None or stat.S_ISDIR(mode):
            return False
        if stat.S_ISLNK(mode):
            found_mode, content = b"120000", os.fsencode(path.readlink())
        else:
            found_mode = b"100755" if mode & stat.S_IXUSR else b"100644"
            content = path.read_bytes()
        found_id = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        return (found_mode, found_id.hexdigest()) == (blob.mode, blob.blob_id)

    def _write_stage(self, names: Sequence[str], stage: Path, index: Path) -> None:
        stdin = b"".join(os.fsencode(name) + b"\0" for name in names)
        self.git.run(
            "checkout-index", "-z", "--stdin", f"--prefix={stage}/", stdin=stdin, index=index
        )

    def _rename_into_place(self, names: Sequence[str], stage: Path) -> None:
        staged = {name for name in names if os.path.lexists(stage / name)}
        for name in names:
            if name not in staged:
                (self.path / name).unlink(missing_ok=True)
                self._remove_empty_folders((self.path / name).parent)
        for name in sorted(staged):
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (stage / name).replace(target)

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self.path:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def _require_no_operation(self) -> None:
        """A rebase or merge by hand has state of its own, which a move would not keep true."""
        found = [name for name in _OPERATIONS if (self.git_dir / name).exists()]
        if found:
            raise BadInput(
                f"a git operation is under way in the tree ({found[0]})",
                where=self.path,
                hint="finish or abort it there",
            )

    def _dirty(self, names: Sequence[str]) -> LlamaproofError:
        listed = "".join(f"\n    {name}" for name in names[:20])
        more = f"\n    and {len(names) - 20} more" if len(names) > 20 else ""
        return BadInput(
            f"the tree has edits that no patch holds:{listed}{more}",
            where=self.path,
            hint="keep them with `series add` or `series refresh`, or undo them with "
            "`git checkout -- .` and `git clean` in the tree; nothing was changed",
        )

"""A wheel of a few files, right in every respect, for tests that spoil one."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class PlainWheel:
    """What to put into the wheel; every default is right.

    Attributes:
        tag: in WHEEL.
        file_project, file_version, file_tag: in the file name; the wheel's own where empty.
        dist_info: the folder of METADATA; named by the project and version where empty.
        metadata: further lines of METADATA.
        files: by path.
        unrecorded: files that RECORD does not list.
        rows: what RECORD says of a file in place of its hash and size.
        sizes: what RECORD says of a file in place of its size.
        record: further lines of RECORD.
    """

    project: str = "a_package"
    version: str = "1.0+x.1"
    tag: str = "py3-none-any"
    file_project: str = ""
    file_version: str = ""
    file_tag: str = ""
    dist_info: str = ""
    requires: Sequence[str] = ()
    metadata: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    unrecorded: Mapping[str, bytes] = field(default_factory=dict)
    rows: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    record: str = ""

    @property
    def file_name(self) -> str:
        project = self.file_project or self.project
        return f"{project}-{self.file_version or self.version}-{self.file_tag or self.tag}.whl"

    def write(self, folder: Path) -> Path:
        """Put it together in `folder`."""
        info = self.dist_info or f"{self.project}-{self.version}.dist-info"
        files = {
            f"{self.project}/__init__.py": b"",
            **self.files,
            f"{info}/METADATA": self._metadata().encode(),
            f"{info}/WHEEL": f"Wheel-Version: 1.0\nTag: {self.tag}\n".encode(),
        }
        record = "".join(f"{name},{self._row(name, data)}\n" for name, data in files.items())
        files[f"{info}/RECORD"] = f"{record}{self.record}{info}/RECORD,,\n".encode()
        folder.mkdir(parents=True, exist_ok=True)
        wheel = folder / self.file_name
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, data in {**files, **self.unrecorded}.items():
                # The time of each member is the same, and so are the bytes of two such wheels.
                archive.writestr(zipfile.ZipInfo(name), data)
        return wheel

    def _metadata(self) -> str:
        lines = ["Metadata-Version: 2.1", f"Name: {self.project}", f"Version: {self.version}"]
        lines += ["Requires-Python: >=3.8", *(f"Requires-Dist: {need}" for need in self.requires)]
        return "\n".join(lines) + f"\n{self.metadata}\nA description.\n"

    def _row(self, name: str, data: bytes) -> str:
        if name in self.rows:
            return self.rows[name]
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        return f"sha256={digest},{self.sizes.get(name, len(data))}"

"""A wheel's folder as a zip file: the same bytes each time."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from pathlib import Path

from llamaproof.files import write_whole

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def zip_wheel(stage: Path, info: Path, wheel: Path) -> Path:
    """Zip in a fixed order with fixed times and modes, RECORD last, then rename into place."""
    files = sorted(p for p in stage.rglob("*") if p.is_file())
    rows = [(p.relative_to(stage).as_posix(), p.read_bytes()) for p in files]
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in rows)
    record_name = f"{info.name}/RECORD"
    rows.append((record_name, f"{record}{record_name},,\n".encode()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, data in rows:
            member = zipfile.ZipInfo(name, _ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.create_system = 3
            mode = 0o755 if ".so" in name.rsplit("/", 1)[-1] else 0o644
            member.external_attr = (0o100000 | mode) << 16
            archive.writestr(member, data)
    wheel.parent.mkdir(parents=True, exist_ok=True)
    write_whole(wheel, packed.getvalue())
    return wheel


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()

"""Small WFDB records as files, archives among them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

from heartwave_tasks.settings import Settings
from heartwave_tasks.stores.arrivals import Arrival
from heartwave_tasks.stores.record_formats import read_recording

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from heartwave_tasks.ecg.recordings import Recording


def read_record(directory: Path, recording_id: str, **limits: int) -> Recording:
    """Read the recording of a directory, of whatever format, as ingest does."""
    return read_recording(Arrival.of(directory, recording_id), Settings(**limits))


def record_files(name: str, *, content: bytes = b"signal") -> dict[str, bytes]:
    """Return a record's three files by name; the signal is no real one."""
    header = f"{name} 2 360 650000\n{name}.dat 212 200 11 1024 995 -22131 0 MLII\n{name}.dat 212 200 11 1024 1 2 0 V5\n"
    return {f"{name}.hea": header.encode(), f"{name}.dat": content, f"{name}.atr": b"marks"}


def write_directory(directory: Path, files: Mapping[str, bytes]) -> Path:
    """Write files below a directory."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory


def write_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a zip whose members may have any name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: Mapping[str, bytes], *, links: Mapping[str, str] | None = None) -> Path:
    """Write a .tar.xz whose members may have any name, and symbolic links."""
    with tarfile.open(path, "w:xz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return path

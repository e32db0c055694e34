"""Which files make up the recordings of a directory or an archive; nothing else in it is touched.

A recording is a WFDB header (``.hea``) with the segments and signal files it names, an EDF file (``.edf``), or a CSV
file (``.csv``) with the sidecar (``.json``) that says what its columns are; and the annotations beside it (``.atr``).
"""

from __future__ import annotations

import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final

from heartwave_tasks.stores.recording_names import (
    CSV_SUFFIX,
    EDF_SUFFIX,
    HEADER_SUFFIX,
    MAIN_SUFFIXES,
    SAFE_FILE_NAME,
    SIDECAR_SUFFIX,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ANNOTATIONS: Final = ".atr"
_MAX_HEADER_BYTES: Final = 1 << 20
_MAX_DEPTH: Final = 20  # of an archive's folders, as far as we tell them apart by it
_COPY_BYTES: Final = 1 << 20
_KEEP_FREE_BYTES: Final = 256 << 20


class RecordFilesError(RuntimeError):
    """The given path holds no records that can be taken; the message says why and what to do."""


@dataclass(frozen=True)
class Record:
    """One recording and where its files lie on this machine.

    Attributes
    ----------
    name
        Name of the recording: its main file's without the suffix.
    main
        Header, EDF or CSV file.
    others
        Segments, signal files, sidecar and annotations that were found, by name.
    missing
        Names of files that the header wants and that are not there.
    """

    name: str
    main: Path
    others: tuple[Path, ...]
    missing: tuple[str, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Bytes in all its files."""
        return sum(path.stat().st_size for path in (self.main, *self.others))

    @property
    def needs_folder(self) -> bool:
        """Whether some of its files are not called like it, so that only a folder holds them together."""
        return any(path.name.rpartition(".")[0] != self.name for path in self.others)


@dataclass(frozen=True)
class RecordFiles:
    """The records that were found, by name, and what was left out.

    Attributes
    ----------
    refused
        Main files that cannot be taken because of their names.
    undescribed
        CSV files without a sidecar; any table may be one.
    """

    records: tuple[Record, ...]
    refused: tuple[str, ...] = ()
    undescribed: tuple[str, ...] = ()


@contextmanager
def open_records(path: Path, max_file_bytes: int) -> Iterator[RecordFiles]:
    """Find the records of a directory, of a ``.zip`` or ``.tar`` (also ``.gz``, ``.bz2``, ``.xz``), or of one file.

    Archives are unpacked into a temporary directory of ours that lasts as long as the block. No path of an archive
    is ever used: only the last part of a member's name is, when it is safe. Where a ``RECORDS`` file lists the
    records, as in every PhysioNet database, only those are taken.

    Raises `RecordFilesError` when there is nothing to take or the archive is damaged.
    """
    if path.is_dir():
        yield find_records(path)
        return
    if path.is_file() and path.suffix.lower() in MAIN_SUFFIXES:
        yield RecordFiles((_read_one(path),))
        return
    if not path.is_file():
        raise RecordFilesError(f"{path} does not exist. Give a directory, a .zip or a .tar.xz of recordings.")
    with tempfile.TemporaryDirectory(prefix="heartwave-upload-") as name:
        directory = Path(name)
        try:
            if zipfile.is_zipfile(path):
                refused = _unpack_zip(path, directory, max_file_bytes)
            elif tarfile.is_tarfile(path):
                refused = _unpack_tar(path, directory, max_file_bytes)
            else:
                raise RecordFilesError(
                    f"{path} is neither a directory nor a .zip, .tar.gz or .tar.xz archive, nor the main file of a "
                    f"recording ({', '.join(MAIN_SUFFIXES)})."
                )
        except (zipfile.BadZipFile, tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, RuntimeError) as error:
            if isinstance(error, RecordFilesError):
                raise
            raise RecordFilesError(f"{path} cannot be unpacked: {error}. Download it again.") from error
        yield find_records(directory, shown=path, refused=refused)


def find_records(directory: Path, *, shown: Path | None = None, refused: Iterable[str] = ()) -> RecordFiles:
    """Find the recordings of a directory and everything below it; messages show ``shown`` instead of it."""
    shown = shown or directory
    found = sorted(path for path in directory.rglob("*") if _is_main(path) and path.is_file())
    mains = [path for path in found if _is_safe(path.name)]
    refused = (*refused, *(str(path.relative_to(directory)) for path in found if not _is_safe(path.name)))
    tables = sorted(path for path in directory.rglob("*") if path.suffix.lower() == CSV_SUFFIX and not _is_main(path))
    if not mains:
        raise RecordFilesError(
            f"{shown} holds no recording: no WFDB header (.hea), no .edf, and no .csv with a .json beside it."
        )
    listed = _listed_records(directory)
    if listed:
        mains = [path for path in mains if path.stem in listed] or mains
    read = [_read_record(main) for main in mains]
    # A segment is a record of its own only where no other header names it.
    segments = {path for record in read for path in record.others if path.suffix == HEADER_SUFFIX}
    records: dict[str, Record] = {}
    for record in read:
        if record.main in segments:
            continue
        if record.name in records:
            raise RecordFilesError(
                f"{shown} holds two records called {record.name}. Upload each directory with a --source of its own."
            )
        records[record.name] = record
    undescribed = tuple(path.name for path in tables)
    return RecordFiles(tuple(records[name] for name in sorted(records)), refused, undescribed)


def _read_one(main: Path) -> Record:
    if not _is_safe(main.name):
        raise RecordFilesError(
            f"{main}: the name may hold letters, digits, _ and - only. Rename it and all that belongs to it."
        )
    if not _is_main(main):
        raise RecordFilesError(
            f"{main} needs a {SIDECAR_SUFFIX} of the same name beside it that says what its columns are."
        )
    return _read_record(main)


def _is_main(path: Path) -> bool:
    """Tell a recording's main file by its name; any table may be a CSV, but for the sidecar."""
    suffix = path.suffix.lower()
    return suffix in {HEADER_SUFFIX, EDF_SUFFIX} or (
        suffix == CSV_SUFFIX and path.with_suffix(SIDECAR_SUFFIX).is_file()
    )


def signal_files(header: str) -> tuple[str, ...]:
    """Return the names of the files that the text of a WFDB header names, each one once, in their order.

    Those are signal files, or the headers of segments. A header that makes no sense yields none. See
    https://wfdb.io/spec/header-files.html.
    """
    lines = [line.split() for line in header.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return ()
    _, slash, segments = lines[0][0].partition("/")
    try:
        n_lines = int(segments) if slash else int(lines[0][1])
    except (IndexError, ValueError):
        return ()
    names = dict.fromkeys(words[0] for words in lines[1 : 1 + max(0, n_lines)] if words[0] not in {"~", "-"})
    return tuple(f"{name}{HEADER_SUFFIX}" for name in names) if slash else tuple(names)


def _is_safe(name: str) -> bool:
    return SAFE_FILE_NAME.fullmatch(name) is not None


def _read_record(main: Path) -> Record:
    others, missing = _named_files(main) if main.suffix == HEADER_SUFFIX else ({}, {})
    beside = (_ANNOTATIONS, *((SIDECAR_SUFFIX,) if main.suffix.lower() == CSV_SUFFIX else ()))
    for path in map(main.with_suffix, beside):
        if path.is_file():
            others[path] = None
    return Record(main.stem, main, tuple(others), tuple(missing))


def _named_files(header: Path, *, follow: bool = True) -> tuple[dict[Path, None], dict[str, None]]:
    """Return the files a header and its segments name: those that are there, and the names of those that are not."""
    with header.open("rb") as file:
        named = signal_files(file.read(_MAX_HEADER_BYTES).decode("utf-8", errors="replace"))
    there: dict[Path, None] = {}
    missing: dict[str, None] = {}
    for name in named:
        if not _is_safe(name) or not header.with_name(name).is_file():
            missing[name] = None
            continue
        path = header.with_name(name)
        there[path] = None
        if follow and path != header and name.endswith(HEADER_SUFFIX):
            others, lost = _named_files(path, follow=False)
            there |= others
            missing |= lost
    there.pop(header, None)
    return there, missing


def _listed_records(directory: Path) -> frozenset[str]:
    """Names in the topmost ``RECORDS`` file, none where there is none."""
    lists = sorted(directory.rglob("RECORDS"), key=lambda path: (len(path.parts), path))
    if not lists or not lists[0].is_file():
        return frozenset()
    lines = lists[0].read_text(encoding="utf-8", errors="replace").splitlines()
    return frozenset(PurePosixPath(line.strip()).name for line in lines if line.strip())


def _unpack_zip(path: Path, directory: Path, max_file_bytes: int) -> list[str]:
    """Unpack what is safely named, and return the names of the headers that are not."""
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        folders = _folders(directory, (member.filename for member in members))
        for member in members:
            target = _target(folders, member.filename)
            if target is not None:
                with archive.open(member) as source:
                    _copy(source, target, max_file_bytes)
    return [member.filename for member in members if _is_refused(member.filename)]


def _unpack_tar(path: Path, directory: Path, max_file_bytes: int) -> list[str]:
    """Unpack what is safely named, and return the names of the headers that are not."""
    folders: dict[str, Path] = {}
    refused = []
    with tarfile.open(path) as archive:
        for member in archive:
            if not member.isreg():  # no links, devices or directories
                continue
            _folders(directory, [member.name], folders)
            target = _target(folders, member.name)
            source = archive.extractfile(member) if target is not None else None
            if target is not None and source is not None:
                _copy(source, target, max_file_bytes)
            elif _is_refused(member.name):
                refused.append(member.name)
    return refused


def _is_refused(name: str) -> bool:
    return name.endswith((HEADER_SUFFIX, EDF_SUFFIX)) and not _is_safe(PurePosixPath(name).name)


def _folders(directory: Path, names: Iterable[str], known: dict[str, Path] | None = None) -> dict[str, Path]:
    """Give every folder of an archive a directory of ours, by number and as deep as it was."""
    known = {} if known is None else known
    for name in names:
        parent = str(PurePosixPath(name).parent)
        if parent not in known:
            depth = min(len(PurePosixPath(parent).parts), _MAX_DEPTH)
            known[parent] = directory.joinpath(f"{len(known):05d}", *["below"] * depth)
    return known


def _target(folders: dict[str, Path], name: str) -> Path | None:
    member = PurePosixPath(name)
    if not _is_safe(member.name):
        return None
    folder = folders[str(member.parent)]
    folder.mkdir(parents=True, exist_ok=True)
    return folder / member.name


def _copy(source: IO[bytes], target: Path, max_file_bytes: int) -> None:
    """Copy what an archive really holds, whatever size it claims."""
    written = 0
    with target.open("wb") as file:
        while block := source.read(_COPY_BYTES):
            written += len(block)
            if written > max_file_bytes:
                raise RecordFilesError(
                    f"{target.name} is larger than {max_file_bytes} bytes. "
                    "Set HEARTWAVE_MAX_OBJECT_BYTES higher if that is right."
                )
            if shutil.disk_usage(target.parent).free < _KEEP_FREE_BYTES:
                raise RecordFilesError(
                    f"There is no room to unpack into {tempfile.gettempdir()}. Free some, or set TMPDIR elsewhere."
                )
            file.write(block)

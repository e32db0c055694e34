"""Which files of a directory or archive are taken for records."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from heartwave_tasks.stores.record_files import RecordFilesError, open_records, signal_files
from tests.unit.wfdb_files import record_files, write_directory, write_tar, write_zip

if TYPE_CHECKING:
    from pathlib import Path

LARGE = 1 << 30


def names(path: Path, max_file_bytes: int = LARGE) -> dict[str, list[str]]:
    """Return the names of the files that are taken, by record."""
    with open_records(path, max_file_bytes) as found:
        return {record.name: [file.name for file in (*record.others, record.main)] for record in found.records}


WHOLE = {"100": ["100.dat", "100.atr", "100.hea"], "101": ["101.dat", "101.atr", "101.hea"]}
FILES = {f"db/{name}": data for record in WHOLE for name, data in record_files(record).items()}


def test_directory_and_archives_give_the_same_records(tmp_path: Path) -> None:
    """A directory, a .zip and a .tar.xz of the same files hold the same records, wherever the files lie."""
    directory = write_directory(tmp_path / "here", FILES)
    archives = (write_zip(tmp_path / "a.zip", FILES), write_tar(tmp_path / "a.tar.xz", FILES))
    assert [names(path) for path in (directory, *archives)] == [WHOLE, WHOLE, WHOLE]


def test_only_files_of_records_are_taken(tmp_path: Path) -> None:
    """Pages, notes, and signals no header names are left where they are."""
    files = {**FILES, "db/index.html": b"x", "db/notes.txt": b"x", "db/999.dat": b"x", "db/100.qrs": b"x"}
    assert names(write_directory(tmp_path, files)) == WHOLE


def test_a_records_file_chooses(tmp_path: Path) -> None:
    """Where RECORDS lists the records, others, like MIT-BIH's x_ ones, are left out."""
    extra = {f"db/x_db/{name}": data for name, data in record_files("x_100").items()}
    path = write_zip(tmp_path / "a.zip", {**FILES, **extra, "db/RECORDS": b"100\n101\n"})
    assert names(path) == WHOLE


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_no_path_of_an_archive_is_used(tmp_path: Path, write: object) -> None:
    """Members that climb out of the archive land inside our own temporary directory, and nowhere else."""
    inside = tmp_path / "deep" / "inside"
    inside.mkdir(parents=True)
    climbing = {f"../../{name}": data for name, data in record_files("100").items()}
    absolute = {f"{tmp_path}/{name}": data for name, data in record_files("101").items()}
    path = write(inside / "a", {**climbing, **absolute})  # type: ignore[operator]
    assert names(path) == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    """A symbolic link called like a signal file is not taken, so no file of this machine is read through it."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    header = {"100.hea": record_files("100")["100.hea"]}
    path = write_tar(tmp_path / "a.tar.xz", header, links={"100.dat": str(secret)})
    with open_records(path, LARGE) as found:
        assert [(record.others, record.missing) for record in found.records] == [((), ("100.dat",))]


def test_unsafe_headers_are_told(tmp_path: Path) -> None:
    """A header whose name is not safe is left out and named; the other records are taken."""
    files = {**FILES, "db/sp ace.hea": b"x", "db/$(reboot).hea": b"x"}
    for path in (write_directory(tmp_path / "here", files), write_zip(tmp_path / "a.zip", files)):
        with open_records(path, LARGE) as found:
            assert [record.name for record in found.records] == ["100", "101"]
            assert sorted(found.refused) == ["db/$(reboot).hea", "db/sp ace.hea"]


def test_missing_signal_files_are_told(tmp_path: Path) -> None:
    """A record whose signal file is not there, or lies on another path, names it as missing."""
    escaping = b"102 1 360 10\n../../etc/passwd 16 200 11 0 0 0 0 I\n"
    with open_records(write_directory(tmp_path, {"100.hea": FILES["db/100.hea"], "102.hea": escaping}), LARGE) as found:
        assert [record.missing for record in found.records] == [("100.dat",), ("../../etc/passwd",)]
        assert all(not record.others for record in found.records)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("# remark\n100 2 360 10\na.dat 16\nb.dat 16\n# end", ("a.dat", "b.dat")),
        ("100 2 360 10\na.dat 16\na.dat 16\n", ("a.dat",)),
        ("100/3 2 360 10\n100_1 4\n~ 2\n100_2 4\n", ("100_1.hea", "100_2.hea")),
        ("100 999999999999 360\na.dat 16\n", ("a.dat",)),
        ("", ()),
        ("nonsense", ()),
        ("100 two 360\n", ()),
    ],
)
def test_signal_files_of_a_header(header: str, expected: tuple[str, ...]) -> None:
    """Signal files, or headers of segments, are named once each; remarks and nonsense name none."""
    assert signal_files(header) == expected


SEGMENTS = {
    "m.hea": b"m/3 1 360 30\nm_layout 0\na 10\nb 20\n",
    "m_layout.hea": b"m_layout 1 360 0\n~ 0 200 0 0 0 0 0 II\n",
    "a.hea": b"a 1 360 10\na.dat 16\n",
    "a.dat": bytes(20),
    "b.hea": b"b 1 360 20\nb.dat 16\n",
}


def test_segments_belong_to_their_record(tmp_path: Path) -> None:
    """Headers that another one names as its segments are no records of their own, and need a folder together."""
    with open_records(write_directory(tmp_path, SEGMENTS), LARGE) as found:
        (record,) = found.records
    assert (record.name, record.needs_folder, record.missing) == ("m", True, ("b.dat",))
    assert {path.name for path in record.others} == {"m_layout.hea", "a.hea", "a.dat", "b.hea"}


def test_a_header_that_names_itself(tmp_path: Path) -> None:
    """A record that is a segment of itself is taken, for ingest to refuse, and no search runs in circles."""
    files = {"m.hea": b"m/2 1 360 30\nm 10\nn 20\n", "n.hea": b"n/1 1 360 20\nm 20\n"}
    with open_records(write_directory(tmp_path, files), LARGE) as found:
        assert {record.name for record in found.records} <= {"m", "n"}


def test_edf_and_csv_are_recordings(tmp_path: Path) -> None:
    """EDF files, however written, and CSV files with a sidecar are taken; other tables are not."""
    files = {"night.EDF": b"0", "c.csv": b"II\n1\n", "c.json": b"{}", "table.csv": b"a,b\n", "other.json": b"{}"}
    assert names(write_directory(tmp_path, files)) == {"c": ["c.json", "c.csv"], "night": ["night.EDF"]}
    assert names(tmp_path / "night.EDF") == {"night": ["night.EDF"]}


def test_two_records_of_one_name_are_refused(tmp_path: Path) -> None:
    """Two directories with a record of the same name would overwrite each other, so both are refused."""
    files = {f"{folder}/{name}": data for folder in "ab" for name, data in record_files("100").items()}
    with pytest.raises(RecordFilesError, match=r"two records called 100.*--source"):
        names(write_directory(tmp_path, files))


def test_tables_without_a_sidecar_are_told(tmp_path: Path) -> None:
    """Any table may be a CSV file, so it is left out without a sidecar, and said so; alone, it is an error."""
    directory = write_directory(
        tmp_path, {**FILES, "db/r1.csv": b"II\n0.1\n", "db/r2.csv": b"II\n", "db/r2.json": b"{}"}
    )
    with open_records(directory, LARGE) as found:
        assert [record.name for record in found.records] == ["100", "101", "r2"]
        assert found.undescribed == ("r1.csv",)
    with pytest.raises(RecordFilesError, match=r"needs a \.json of the same name"):
        names(directory / "db" / "r1.csv")


def test_a_single_file_of_an_unsafe_name_is_told(tmp_path: Path) -> None:
    """A recording that is named like a person is not taken, and the sentence says which names are."""
    (tmp_path / "Maria M.edf").write_bytes(b"")
    with pytest.raises(RecordFilesError, match="letters, digits, _ and - only"):
        names(tmp_path / "Maria M.edf")


@pytest.mark.parametrize("content", [b"no archive", b"PK\x03\x04 broken", b""])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes) -> None:
    """A file that is no archive gives a sentence, not a traceback."""
    path = tmp_path / "mitdb.zip"
    path.write_bytes(content)
    with pytest.raises(RecordFilesError, match="neither a directory nor"):
        names(path)


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_cut_off_archive_is_told(tmp_path: Path, write: object) -> None:
    """Half an archive, as a broken download leaves it, is refused with advice."""
    path = write(tmp_path / "a", {f"{n}.hea": os.urandom(5000) for n in range(20)})  # type: ignore[operator]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RecordFilesError, match=r"Download it again|neither"):
        names(path)


def test_an_archive_cannot_fill_the_disk(tmp_path: Path) -> None:
    """A member larger than allowed stops the unpacking, whatever size the archive claims."""
    path = write_zip(tmp_path / "bomb.zip", {**FILES, "db/zero.dat": bytes(5_000_000)})
    with pytest.raises(RecordFilesError, match="larger than 1000000 bytes"):
        names(path, 1_000_000)


def test_an_empty_directory_and_a_missing_path_are_told(tmp_path: Path) -> None:
    """Nothing to take is said in a sentence that names the path."""
    with pytest.raises(RecordFilesError, match="no recording"):
        names(tmp_path)
    with pytest.raises(RecordFilesError, match="does not exist"):
        names(tmp_path / "nowhere")

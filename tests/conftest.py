"""Fixtures every kind of test may ask for."""

from __future__ import annotations

import os
import tarfile
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mitdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory that holds MIT-BIH's record files, unpacked once a session if HEARTWAVE_MITDB names an archive."""
    given = os.environ.get("HEARTWAVE_MITDB")
    if not given:
        pytest.skip("HEARTWAVE_MITDB does not name the MIT-BIH database (a directory, .zip or .tar.xz)")
    path = Path(given)
    if path.is_file():
        unpacked = tmp_path_factory.mktemp("mitdb")
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(unpacked)
        else:
            with tarfile.open(path) as archive:
                archive.extractall(unpacked, filter="data")
        path = unpacked
    header = next(path.rglob("100.hea"), None)
    if header is None:
        pytest.fail(f"HEARTWAVE_MITDB={given} holds no record 100")
    return header.parent

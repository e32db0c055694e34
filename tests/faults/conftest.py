"""The laboratory, set up once for all tests here, small enough to be quick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.laboratory import Laboratory

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """A few short recordings, two models, and their undisturbed labels."""
    directory = tmp_path_factory.mktemp("faults")
    with Laboratory(directory, recordings=4, duration_s=60, mlflow_server=False) as laboratory:
        yield laboratory

"""The exploration notebook, executed from its first cell to its last over real labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

from heartwave_tasks.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from tests.system.conftest import System

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


def test_notebook_runs(system: System, labelled: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell runs, reads real labels and beats, and draws."""
    monkeypatch.setenv("HEARTWAVE_HOME", str(system.settings.home))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT_ROOT))
    monkeypatch.setenv("IPYTHONDIR", str(system.settings.home / "ipython"))
    notebook = nbformat.read(PROJECT_ROOT / "notebooks" / "exploration.ipynb", as_version=4)  # type: ignore[no-untyped-call]

    NotebookClient(notebook, timeout=180, kernel_name="python3").execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert any("mitdb/" in str(output) or "synthetic/" in str(output) for output in outputs)

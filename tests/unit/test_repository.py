"""What the repository says about itself: its documents, its checks and their settings agree with what is there."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
CI = ROOT / ".ci/run"
WORKFLOW = ROOT / ".github/workflows/ci.yaml"
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def make_targets() -> set[str]:
    """Return the targets that the Makefile explains."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z]+):.*##", text, flags=re.MULTILINE))


def run_ci(checkout: Path, *, mitdb: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a copy of .ci/run in a checkout that has a Makefile of its own."""
    (checkout / ".ci").mkdir(parents=True, exist_ok=True)
    (checkout / ".ci/run").write_text(CI.read_text(encoding="utf-8"), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HEARTWAVE_", "MAKE"))}
    if mitdb is not None:
        environment["HEARTWAVE_MITDB"] = mitdb
    return subprocess.run(
        ["bash", checkout / ".ci/run"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
        input="typed by nobody",
    )


def write_makefile(checkout: Path, lint: str, test: str) -> None:
    """Write a Makefile whose two targets run the given shell lines."""
    checkout.mkdir(parents=True, exist_ok=True)
    (checkout / "Makefile").write_text(f"lint:\n\t@{lint}\ntest:\n\t@{test}\n", encoding="utf-8")


# --- CI


def test_ci_finds_the_database_beside_the_repository(tmp_path: Path) -> None:
    """The archive in ../shared reaches the tests by its absolute path, from whichever directory CI is started."""
    write_makefile(tmp_path / "checkout", "true", 'echo "given: $$HEARTWAVE_MITDB"')
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/mitdb.tar.xz").touch()
    done = run_ci(tmp_path / "checkout")
    assert done.returncode == 0
    assert f"given: {tmp_path.resolve()}/shared/mitdb.tar.xz" in done.stdout


def test_ci_leaves_the_database_unset_where_there_is_none(tmp_path: Path) -> None:
    """Without the archive the variable is not set at all, so the tests that need it are skipped."""
    write_makefile(tmp_path / "checkout", "true", 'echo "given: $${HEARTWAVE_MITDB-nothing}"')
    assert "given: nothing" in run_ci(tmp_path / "checkout").stdout
    assert "given: nothing" in run_ci(tmp_path / "checkout", mitdb="").stdout


def test_ci_prefers_the_database_it_is_given(tmp_path: Path) -> None:
    """HEARTWAVE_MITDB of the environment wins over the archive in ../shared."""
    write_makefile(tmp_path / "checkout", "true", 'echo "given: $$HEARTWAVE_MITDB"')
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/mitdb.tar.xz").touch()
    assert "given: /data/mitdb.zip" in run_ci(tmp_path / "checkout", mitdb="/data/mitdb.zip").stdout


@pytest.mark.parametrize(
    ("lint", "test", "failed"), [("false", "true", "lint"), ("true", "false", "test"), ("false", "false", "lint test")]
)
def test_ci_reports_every_failure(tmp_path: Path, lint: str, test: str, failed: str) -> None:
    """Whichever of the two targets fails, both run, and the last line names those that failed."""
    write_makefile(tmp_path / "checkout", lint, test)
    done = run_ci(tmp_path / "checkout")
    assert done.returncode == 1
    assert done.stdout.count("== make test") == 2
    assert done.stderr.splitlines()[-1] == f"Failed: {failed}"


def test_ci_asks_for_nothing(tmp_path: Path) -> None:
    """A target that would wait for input gets none."""
    write_makefile(tmp_path / "checkout", "true", "cat")
    done = run_ci(tmp_path / "checkout")
    assert done.returncode == 0
    assert "typed by nobody" not in done.stdout


def test_workflow_does_what_ci_does(project: dict[str, Any]) -> None:
    """GitHub's workflow runs .ci/run, which is executable, on every Python version that the package promises."""
    promised = {
        name.rpartition(" ")[2]
        for name in project["project"]["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: \d\.\d+", name)
    }
    check = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]["check"]
    assert set(check["strategy"]["matrix"]["python"]) == promised
    assert check["steps"][-1]["run"] == ".ci/run"
    assert os.access(CI, os.X_OK)


def test_make_has_what_ci_calls() -> None:
    """The targets that .ci/run makes exist."""
    called = re.findall(r"^for target in (.*); do$", CI.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert called == ["lint test"]
    assert set(called[0].split()) <= make_targets()


def test_workflow_calls_scripts_that_exist() -> None:
    """Every script of the repository that the workflow runs is there and executable."""
    named = set(
        re.findall(r"(?:run: |^\s+)((?:docker|\.ci|scripts)/\S+)", WORKFLOW.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert named >= {".ci/run", "docker/make-env.sh"}
    assert all(os.access(ROOT / name, os.X_OK) for name in named)


# --- what is committed


def test_no_recording_and_no_secret_is_committed() -> None:
    """The repository holds neither recordings nor a filled-in .env; the pre-commit hook refuses the same names."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    (forbidden,) = [re.compile(hook["files"]) for hook in hooks if hook["id"] == "no-recordings"]
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=False, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    assert not [name for name in listed.stdout.splitlines() if forbidden.search(name)]
    assert forbidden.search("tests/data/100.dat")
    assert forbidden.search(".env")
    assert not forbidden.search(".env.example")


def test_locks_hold_hashes_and_no_addresses() -> None:
    """Every requirement is pinned with hashes, and no lock names a package index."""
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert {"dev.txt", "local.txt", "runtime.txt"} <= {lock.name for lock in locks}
    for lock in locks:
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text, lock.name
        requirements = [block for block in re.split(r"\n(?=\S)", text) if "==" in block.partition("\n")[0]]
        assert requirements
        assert all("--hash=sha256:" in block for block in requirements), lock.name


def test_every_rule_that_is_off_has_a_reason() -> None:
    """Each ruff rule that is ignored stands on a line with a comment, or under one."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    ruff = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.pydocstyle]")]
    lines = ruff.splitlines()
    for before, line in pairwise(lines):
        if re.search(r'"[A-Z]+\d*"', line) and not line.startswith("select"):
            assert "#" in line or before.startswith("#"), line


# --- what contributors are told


def test_guide_names_paths_that_exist() -> None:
    """Every file and directory that CONTRIBUTING.md names in backticks is there."""
    named = set(re.findall(r"`((?:[a-z_.]+/)+[\w.-]*)`", GUIDE)) - {".venv/bin/lint-imports"}
    floors = {"local/", "unit/", "integration/", "system/"}  # within a directory named beside them
    named = {path for path in named if path not in floors and not path.startswith((".venv/", "models/"))}
    assert named >= {"dags/", "heartwave_tasks/settings.py", "heartwave_tasks/synthetic.py", "sql/grants.sql"}
    assert not [path for path in sorted(named) if not (ROOT / path).exists()]


def test_guide_names_targets_that_exist() -> None:
    """Every make target that CONTRIBUTING.md names is in the Makefile."""
    named = set(re.findall(r"(?:\$ |`)make ([a-z]+)", GUIDE))
    assert named >= {"lint", "test", "demo", "lock"}
    assert named <= make_targets()


def test_guide_names_the_interface_of_architectures() -> None:
    """What CONTRIBUTING.md asks of a new architecture is what the interface asks for."""
    from heartwave_tasks.models.architectures import ArchitectureModule

    wanted = {*ArchitectureModule.__annotations__, *(name for name in vars(ArchitectureModule) if name[0] != "_")}
    assert wanted >= {"DEFAULT_PARAMS", "train", "load"}
    assert all(f"`{name}`" in GUIDE for name in wanted)


def test_changelog_knows_the_version(project: dict[str, Any]) -> None:
    """The CHANGELOG has an entry for the version, or collects what is not released."""
    headings = re.findall(r"^## \[([^]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == project["project"]["version"]


def test_licence_is_the_declared_one(project: dict[str, Any]) -> None:
    """LICENSE holds the text of the licence that the package declares."""
    assert project["project"]["license"] == "Apache-2.0"
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").split()[:4] == ["Apache", "License", "Version", "2.0,"]

"""A plain install: what is in the wheel, and that it works far from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from scorer.jobs.job import job_names

CHECKOUT = Path(__file__).parents[2]
MOST_BYTES = 20 << 20
SHIPPED = {
    "sql": ("*.sql", "*.toml", "*.json", "*.md", "*.txt", "*.csv", "*.csv.gz"),
    "expectations": ("*.json",),
    "migrations": ("*.sql", "*.py", "*.toml"),
    "models": ("*.json", "*.joblib", "*.md", "*.toml"),
    "systemd": ("*",),
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the checkout, as `pip install` builds it."""
    folder = tmp_path_factory.mktemp("package")
    litter = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__", "tests")
    shutil.copytree(CHECKOUT, folder / "source", ignore=litter)
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_what_the_program_reads_and_no_tests(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"scorer/{path.relative_to(CHECKOUT)}"
        for folder, patterns in SHIPPED.items()
        for pattern in patterns
        for path in (CHECKOUT / folder).rglob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }
    modules = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "scorer").rglob("*.py")}
    pages = {"scorer/evaluation/pages/style.css"}
    assert wanted | modules | pages | {"scorer/py.typed", "scorer/sql/sepsis/cohort.json"} <= held
    strange = {name for name in held - wanted - modules - pages if not name.endswith(("/__init__.py", "/py.typed"))}
    assert {name for name in strange if ".dist-info/" not in name} == set()


def test_the_wheel_is_small(wheel: Path) -> None:
    """Some nine jobs, each with models of 3 MB at most, of which most are far smaller, and an example of 150 kB at most."""
    assert wheel.stat().st_size < MOST_BYTES


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; its dependencies are those of the environment of the tests, by path."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    site_packages = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--ignore-installed", str(wheel)], check=True)
    return folder / "bin"


@pytest.fixture
def elsewhere(home: Path) -> Iterator[Path]:
    folder = home / "elsewhere"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def names_in_the_checkout() -> set[Path]:
    """What stands at its top, and the models."""
    return {path for path in CHECKOUT.iterdir() if not path.name.startswith(".")} | set(
        (CHECKOUT / "models").rglob("*")
    )


def test_it_works_without_the_checkout(installed: Path, elsewhere: Path) -> None:
    before = names_in_the_checkout()
    environment = {**os.environ, "SCORER_HOME": str(elsewhere / "home")}
    environment.pop("PYTHONPATH", None)

    def call(*arguments: str) -> str:
        done = subprocess.run(
            [installed / "scorer", *arguments],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import scorer, scorer.sql, sys; print(scorer.__file__, *scorer.sql.__path__, *sys.path, sep='\\n')"
    told = subprocess.run(
        [installed / "python", "-c", where], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert str(installed.parent) in told[0]
    assert str(installed.parent) in told[1]
    assert str(CHECKOUT) not in told

    assert "Score what is due" in call("--help")
    listed = {job["name"]: job["origin"] for job in json.loads(call("job", "list", "--json"))["jobs"]}
    assert listed == dict.fromkeys(job_names(None), "shipped")
    call("db", "start")
    try:
        assert "is now at head" in call("db", "upgrade")
        assert "reporting.sepsis_predictions" in call("demo", "--visits", "120")
        call("check")
        connection = psycopg2.connect(call("db", "url").strip())
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM reporting.sepsis_predictions")
            assert cursor.fetchone()[0] > 80
        connection.close()
    finally:
        call("db", "stop")
    assert {path.name for path in elsewhere.iterdir()} == {"home"}
    assert names_in_the_checkout() == before

"""The examples that come with the jobs: each is what its generator gives, none is large, and no shipped job is without one."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from scorer.config import FIRST_JOB
from scorer.jobs.folder.example import EXAMPLE_AS_OF
from scorer.jobs.folder.tables import read_tables
from scorer.jobs.job import job_names
from tests.cohorts.__main__ import SHIPPED, jobs, main, write_example
from tests.cohorts.sepsis import FACILITIES, FIRST, OLDER

MOST_BYTES = 150_000
WITH_EXAMPLE = [name for name in job_names(None) if name != FIRST_JOB]  # whose example `scorer demo` generates


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, unpacked, by their names without .gz."""
    return {
        path.name.removesuffix(".gz"): gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for path in folder.iterdir()
    }


def test_every_shipped_job_has_its_data_set() -> None:
    assert jobs() == list(job_names(None))


@pytest.mark.parametrize("job", WITH_EXAMPLE)
def test_an_example_is_what_its_generator_gives(job: str, tmp_path: Path) -> None:
    assert write_example(job, tmp_path)
    shipped = SHIPPED / job / "example"
    assert contents(tmp_path) == contents(shipped), f"python -m tests.cohorts --samples {job} writes it anew"
    assert sum(path.stat().st_size for path in shipped.iterdir()) <= MOST_BYTES
    assert {Path(name).stem for name in contents(shipped)} - {Path(EXAMPLE_AS_OF).stem} <= {
        table.name for table in read_tables(job, jobs_dir=None)
    }


def test_the_first_job_is_generated_by_the_demo(tmp_path: Path) -> None:
    assert not write_example(FIRST_JOB, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [[], ["data"], ["data", "out", "nosuch"]])
def test_what_cannot_be_written_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)


def test_data_sets_are_written_as_one_into_a_folder_of_their_job(tmp_path: Path) -> None:
    heads = {"visits": "visit_id,unit", "patient_observations": "visit_id", "outcomes": "visit_id"}
    for number, folder in enumerate(FACILITIES, start=1):
        (tmp_path / folder).mkdir()
        for table, head in heads.items():
            row = f"{number},MICU" if table == "visits" else f"{number}"
            (tmp_path / folder / f"{table}.csv.gz").write_bytes(gzip.compress(f"{head}\n{row}\n".encode()))
    assert main([str(tmp_path), str(tmp_path / "out"), FIRST_JOB]) == 0
    assert contents(tmp_path / "out" / FIRST_JOB) == {
        "visits.csv": b"visit_id,unit,facility\n1,MICU,B\n2,MICU,B\n3,MICU,A\n",
        "patient_observations.csv": b"visit_id\n1\n2\n3\n",
        "outcomes.csv": b"visit_id\n1\n2\n3\n",
    }


def test_an_older_model_of_sepsis_has_the_set_that_it_was_made_on_as_it_stands(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / FIRST).mkdir()
    for table in ("visits", "patient_observations", "outcomes"):
        (tmp_path / FIRST / f"{table}.csv.gz").write_bytes(gzip.compress(f"visit_id\n{table}\n".encode()))
    for version, write in OLDER.items():
        assert (SHIPPED.parent / "models" / FIRST_JOB / version).is_dir()
        write(tmp_path, out)
        assert contents(out) == contents(tmp_path / FIRST)

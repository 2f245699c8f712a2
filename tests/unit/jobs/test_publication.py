"""What job.toml says of reasons, declining and a challenger; a live split is stable, and never for a clinical job."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scorer.config import shipped_root
from scorer.errors import UserError
from scorer.jobs.job import Job, load_job
from scorer.jobs.publication import Bands, Decline, Declining, Reasoning, Split
from scorer.jobs.toml_table import TomlTable


@pytest.fixture
def site(tmp_path: Path) -> Callable[[str, str], Job]:
    """Loads the tests' second job with a text of its job.toml changed."""

    def change(old: str, new: str) -> Job:
        jobs = Path(__file__).parents[2] / "jobs"
        shutil.copytree(jobs, tmp_path / "jobs")
        path = tmp_path / "jobs" / "sql" / "ward_load" / "job.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
        return load_job("ward_load", jobs_dir=tmp_path / "jobs")

    return change


def test_the_shipped_job_gives_reasons_for_the_highest_band_and_is_clinical(sepsis: Job) -> None:
    assert sepsis.reasons == Reasoning(bands=("HIGH",), top=5)
    assert sepsis.declining == Declining(alpha=0.1, share=0.001, decline_on=(Decline.UNLIKE,))
    assert sepsis.split == Split()


def test_a_job_that_says_nothing_gives_reasons_for_its_highest_band(site: Callable[[str, str], Job]) -> None:
    job = site("[codes]", "[codes]")
    assert (job.reasons.bands, job.reasons.top) == (("SHORT",), 5)
    assert job.split == Split()


def test_bands_are_read_highest_first_whatever_their_order_in_the_file() -> None:
    content = {"lowest": "LOW", "above": {"MEDIUM": 0.4, "HIGH": 0.7}}
    bands = Bands.read(TomlTable(content, where="job.toml: [bands]"))
    assert bands == Bands(limits=(("HIGH", 0.7), ("MEDIUM", 0.4)), lowest="LOW")
    assert bands.names == ("HIGH", "MEDIUM", "LOW")


def test_bands_may_be_of_a_class() -> None:
    content = {"lowest": "LOW", "class": "ill", "above": {"HIGH": 0.2}}
    assert Bands.read(TomlTable(content, where="[bands]")).of_class == "ill"


def read_split(**content: object) -> Split:
    return Split.read(TomlTable(content, where="job.toml: [challenger]"))


def test_a_live_split_is_refused_for_a_clinical_job_in_one_sentence() -> None:
    for content in ({"split": 0.1}, {"split": 0.1, "clinical": True}):
        with pytest.raises(
            UserError, match=r"^job.toml: \[challenger\]: a share of a clinical job's scores is never published"
        ):
            read_split(**content)
    assert read_split(split=0.1, clinical=False) == Split(share=0.1)
    assert read_split(clinical=True) == Split()


def test_a_site_cannot_switch_it_on_in_the_shipped_job(tmp_path: Path, sepsis: Job) -> None:
    for kind in ("sql", "expectations"):
        shutil.copytree(shipped_root() / kind / sepsis.name, tmp_path / kind / sepsis.name)
    path = tmp_path / "sql" / sepsis.name / "job.toml"
    path.write_text(path.read_text().replace("clinical = true", "split = 0.1\nclinical = true"))
    with pytest.raises(UserError, match="take out split, or say clinical = false"):
        load_job(sepsis.name, jobs_dir=tmp_path)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"split": 1.5, "clinical": False}, '"split" must be a share'),
        ({"clinical": "no"}, '"clinical" must be true or false'),
        ({"slpit": 0.1}, 'did you mean "split"'),
    ],
)
def test_what_cannot_be_understood_is_one_sentence(table: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_split(**table)


def test_bands_and_causes_that_are_none_are_refused(site: Callable[[str, str], Job]) -> None:
    with pytest.raises(UserError, match='"HIGH" is no band of the job; its bands are: SHORT, TIGHT, ENOUGH'):
        site("[codes]", '[reasons]\nbands = ["HIGH"]\n\n[codes]')
    with pytest.raises(
        UserError, match='"odd" is nothing to decline on; there are: facility, unlike, empty, undecided'
    ):
        Declining.read(TomlTable({"decline_on": ["odd"]}, where="job.toml: [declining]"))
    with pytest.raises(UserError, match='"alpha" must be a share'):
        Declining.read(TomlTable({"alpha": -0.1}, where="job.toml: [declining]"))


# The split


def test_a_split_takes_its_share_and_the_same_entities_for_ever() -> None:
    split, n = Split(share=0.1), 20_000
    taken = [split.takes("beds", str(number)) for number in range(n)]
    assert abs(np.mean(taken) - 0.1) < 4 * np.sqrt(0.1 * 0.9 / n)
    assert taken == [split.takes("beds", str(number)) for number in range(n)]
    # Fixed by SHA-256 of job and entity, whatever the process, the machine and the year.
    assert [number for number in range(60) if taken[number]] == FIRST_TAKEN
    wider = [Split(share=0.3).takes("beds", str(number)) for number in range(n)]
    assert all(more for less, more in zip(taken, wider, strict=True) if less), "who is in stays in"
    other = [split.takes("nurses", str(number)) for number in range(n)]
    assert 0.005 < np.mean(np.array(taken) & np.array(other)) < 0.015, "other entities of another job"


def test_without_a_share_no_entity_is_taken() -> None:
    assert not any(Split().takes("beds", str(number)) for number in range(1000))


FIRST_TAKEN = [6, 37, 40, 49, 52]

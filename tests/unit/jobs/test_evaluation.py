"""[utility], `alarm` and [evaluation]: what is read, what is left out, and what makes no sense."""

from __future__ import annotations

import tomllib

import pytest

from scorer.errors import UserError
from scorer.jobs.evaluation import Measures, Subgroups, Utility, read_measures
from scorer.jobs.job import Job
from scorer.jobs.toml_table import TomlTable

BANDS = ("HIGH", "MEDIUM", "LOW")


def measures(text: str, *, bands: tuple[str, ...] = BANDS) -> Measures:
    return read_measures(TomlTable(tomllib.loads(text), where="job.toml"), bands=bands)


def test_the_shipped_job_is_measured_as_the_challenge_was(sepsis: Job) -> None:
    assert sepsis.measures.utility == Utility()
    assert sepsis.measures.alarm == "MEDIUM"
    assert Subgroups("age_years", edges=(45, 65, 80)) in sepsis.measures.subgroups


def test_all_may_be_left_out() -> None:
    assert measures("") == Measures(utility=None, alarm=None, subgroups=())
    assert measures("[utility]").utility == Utility()
    assert measures("[evaluation.subgroups]\nsex = []").subgroups == (Subgroups("sex"),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('alarm = "LOW"', '"alarm" must be a band above the lowest, not "LOW"; there are: HIGH, MEDIUM.'),
        ("[utility]\ndt_optimum = -6", '[utility]: unknown key "dt_optimum"; did you mean "dt_optimal"?'),
        (
            "[utility]\ndt_late = -9",
            "[utility]: dt_early, dt_optimal and dt_late must follow one another in this order.",
        ),
        ('[utility]\nu_tn = "0"', """[utility]: "u_tn" must be a number, not '0'."""),
        ("[evaluation.subgroups]\nage = [65, 45]", "[evaluation]: [subgroups]: the edges of age must rise."),
        ("[evaluation.groups]\nage = [45]", '[evaluation]: unknown key "groups"; did you mean "subgroups"?'),
    ],
)
def test_what_makes_no_sense_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UserError) as raised:
        measures(text)
    assert str(raised.value) == f"job.toml: {sentence}"


def test_without_bands_above_the_lowest_there_is_no_alarm() -> None:
    with pytest.raises(UserError, match=r"there are: none, since \[bands\] has none above the lowest"):
        measures('alarm = "HIGH"', bands=())

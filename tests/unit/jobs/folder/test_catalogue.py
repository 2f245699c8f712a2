"""The catalogue of features: each in words, in the order of the matrix."""

from __future__ import annotations

from scorer.jobs.features import STATISTICS, feature_names
from scorer.jobs.folder.catalogue import STATISTICS_IN_WORDS, catalogue, markdown
from scorer.jobs.job import Job


def test_every_statistic_has_its_words() -> None:
    assert set(STATISTICS_IN_WORDS) == set(STATISTICS)


def test_every_feature_of_the_shipped_job_is_told(sepsis: Job) -> None:
    found = {each.name: each for each in catalogue(sepsis)}
    assert tuple(found) == feature_names(sepsis.features)
    rate = found["HR_mean_6h"]
    assert (rate.meaning, rate.unit, rate.group, rate.statistic, rate.window) == (
        "mean of HR within 6 h before the as-of time",
        "beats/min",
        "vitals of 6 h",
        "mean",
        "6 h",
    )
    assert found["LACTATE_count_stay"].unit == ""
    assert found["LACTATE_hours_since_stay"].meaning == "hours since the last LACTATE of all that is known"
    assert found["age_years"].group == found["sex=F"].group == "attributes"
    assert found["hours_since_admitted_at"].unit == "h"


def test_it_is_a_table_in_markdown(sepsis: Job) -> None:
    lines = markdown(catalogue(sepsis)).splitlines()
    assert lines[0] == "| name | meaning | unit | group | statistic | window |"
    assert len(lines) == len(feature_names(sepsis.features)) + 2
    assert len({line.count("|") for line in lines}) == 1

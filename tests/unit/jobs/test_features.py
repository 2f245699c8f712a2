"""The names of features, what each is computed from, and what [codes] and [features] may not say."""

from __future__ import annotations

import tomllib
from datetime import timedelta

import pytest

from scorer.errors import UserError
from scorer.jobs.features import (
    Code,
    Column,
    FeatureGroup,
    FeatureSpec,
    columns,
    feature_names,
    read_codes,
    read_features,
)
from scorer.jobs.toml_table import TomlTable

SIX_HOURS = timedelta(hours=6)


def group_of(
    *statistics: str, codes: tuple[str, ...] = ("HR",), windows: tuple[timedelta | None, ...] = (None,), name: str = ""
) -> FeatureGroup:
    return FeatureGroup(codes=codes, statistics=statistics, windows=windows, name=name)


def spec_of(
    *groups: FeatureGroup,
    numbers: tuple[str, ...] = (),
    hours_since: tuple[str, ...] = (),
    categories: tuple[tuple[str, tuple[str, ...]], ...] = (),
) -> FeatureSpec:
    return FeatureSpec(groups=groups, numbers=numbers, hours_since=hours_since, categories=categories)


def test_names_are_code_statistic_window_then_attributes() -> None:
    spec = spec_of(
        group_of("last", "mean", codes=("HR", "LACTATE"), windows=(None, SIX_HOURS)),
        group_of("count", windows=(timedelta(minutes=90),)),
        numbers=("age_years",),
        hours_since=("admitted_at",),
        categories=(("sex", ("F", "M")),),
    )
    assert feature_names(spec) == (
        "HR_last_stay",
        "HR_last_6h",
        "HR_mean_stay",
        "HR_mean_6h",
        "LACTATE_last_stay",
        "LACTATE_last_6h",
        "LACTATE_mean_stay",
        "LACTATE_mean_6h",
        "HR_count_90min",
        "age_years",
        "hours_since_admitted_at",
        "sex=F",
        "sex=M",
    )


@pytest.mark.parametrize(
    "spec",
    [
        spec_of(group_of("last", codes=("HR", "HR"))),
        spec_of(group_of("last", "mean"), group_of("last")),
        spec_of(group_of("last", windows=(timedelta(minutes=360), SIX_HOURS))),
        spec_of(group_of("last"), numbers=("HR_last_stay",)),
        spec_of(categories=(("sex", ("F", "F")),)),
    ],
)
def test_a_feature_named_twice_is_refused_in_one_sentence(spec: FeatureSpec) -> None:
    with pytest.raises(
        UserError, match=r"^The feature \"\S+\" stands 2 times in \[features\] of job.toml; name it once.$"
    ):
        feature_names(spec)


def test_columns_are_the_features_of_observations_with_what_they_are_made_of() -> None:
    spec = spec_of(group_of("last", windows=(SIX_HOURS, None), name="vitals"), numbers=("age_years",))
    assert columns(spec) == {
        "HR_last_6h": Column("HR", "last", SIX_HOURS, group="vitals"),
        "HR_last_stay": Column("HR", "last", None, group="vitals"),
    }
    assert spec.group_names == ("vitals", "attributes")


def table(text: str) -> TomlTable:
    return TomlTable(tomllib.loads(text), where="[features]")


def test_features_are_read() -> None:
    text = """
        numbers = ["age_years"]
        hours_since = ["admitted_at"]
        groups = [{ codes = ["HR"], statistics = ["last"], windows = ["6 h", "stay"], name = "vitals" }]
        categories = { sex = ["F", "M"] }
    """
    assert read_features(table(text)) == spec_of(
        group_of("last", windows=(SIX_HOURS, None), name="vitals"),
        numbers=("age_years",),
        hours_since=("admitted_at",),
        categories=(("sex", ("F", "M")),),
    )


def test_ratios_and_the_calendar_are_read() -> None:
    text = """
        calendar = ["hour"]
        groups = [{ codes = ["STEPS"], statistics = ["sum"], windows = ["1 week", "30 days"], ratios = ["7 d / 30 d"] }]
    """
    spec = read_features(table(text), timezone="Europe/Vienna")
    assert spec.timezone == "Europe/Vienna"
    assert feature_names(spec) == (
        "STEPS_sum_7d",
        "STEPS_sum_30d",
        "STEPS_sum_7d_by_30d",
        "as_of_hour",
        "as_of_hour_sin",
        "as_of_hour_cos",
    )
    week, month = timedelta(days=7), timedelta(days=30)
    assert columns(spec)["STEPS_sum_7d_by_30d"] == Column("STEPS", "sum", week, group="", by=month, is_ratio=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ('ratios = ["7 days"]', r'^.* ratios: "7 days" is no ratio of two windows; write it as "7 days / 30 days"\.$'),
        (
            'ratios = ["7 days / 30 days"]',
            r'^.* ratios: "30 days" is not among the windows of the group; add it there\.$',
        ),
    ],
)
def test_a_ratio_is_of_two_windows_of_its_group(change: str, sentence: str) -> None:
    text = f'groups = [{{ codes = ["HR"], statistics = ["sum"], windows = ["7 days"], {change} }}]'
    with pytest.raises(UserError, match=sentence):
        read_features(table(text))


def test_a_part_of_the_calendar_that_is_none_is_refused() -> None:
    with pytest.raises(
        UserError, match=r'^\[features\]: calendar: "year" is no part of it; there are: hour, weekday, month\.$'
    ):
        read_features(table('calendar = ["year"]\ngroups = []'))


def test_codes_are_read() -> None:
    assert read_codes(table('HR = { unit = "beats/min", plausible = [0, 350] }')) == (Code("HR", "beats/min", 0, 350),)


def test_a_group_is_not_called_like_that_of_the_attributes() -> None:
    text = 'groups = [{ codes = ["HR"], statistics = ["last"], windows = ["stay"], name = "attributes" }]'
    with pytest.raises(
        UserError, match=r'^\[features\]: \[\[groups\]\] 1: "attributes" is the name of .* otherwise\.$'
    ):
        read_features(table(text))

"""The job pcos on its example: every planted trap is found by its rule, and what is the label is no feature."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from scorer.database.connection import Target
from scorer.database.source.reader import Source
from scorer.jobs.features import feature_names
from scorer.jobs.job import load_job
from scorer.jobs.training import read_recipe, require_groups
from tests.integration.jobs_shipped.planted import Row, require_each_broken, require_each_score_rule

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
HELD = ("age_known", "age_possible", "mostly_usable")
TOLD = (
    "answered",
    "no_hormone",
    "date_present",
    "not_in_future",
    "code_known",
    "value_present",
    "value_finite",
    "value_not_too_low",
)
TOLD += ("value_not_too_high", "not_repeated", "superseded", "ambiguous", "income_possible")


_NEXT = "(SELECT max({key}) FROM pcos.{table}) + n"
_EXAMINED = "FROM pcos.examinations CROSS JOIN generate_series(1, {times}) AS n WHERE user_id = '{{entity}}'"


def _measured(code: str, value: str, *, at: str = "examined_at", recorded: str = "NULL", times: int = 1) -> Row:
    """Measurements at an examination, the n-th of them numbered n."""
    key = _NEXT.format(key="measurement_id", table="measurements")
    examined = _EXAMINED.format(times=times)
    return Row(f"INSERT INTO pcos.measurements SELECT {key}, exam_id, '{code}', {value}, {at}, {recorded} {examined}")


def _answered(question: str, value: str) -> Row:
    key = _NEXT.format(key="answer_id", table="answers")
    examined = _EXAMINED.format(times=1)
    return Row(f"INSERT INTO pcos.answers SELECT {key}, exam_id, '{question}', {value}, NULL, examined_at {examined}")


def _woman(change: str) -> Row:
    return Row(f"UPDATE pcos.examinations SET {change} WHERE user_id = '{{entity}}'")


_HOUR_LATER = "examined_at + interval '1 hour'"
BREAKS = {
    "date_present": _measured("BMI", "30", at="NULL"),
    "not_in_future": _measured("BMI", "30", at="timestamptz '{as_of}' + interval '1 day'", recorded="examined_at"),
    "no_hormone": _measured("SHBG", "40"),
    "code_known": _measured("HAEMOGLOBIN", "14"),
    "value_present": _measured("BMI", "NULL", at=_HOUR_LATER),
    "value_finite": _measured("BMI", "'Infinity'", at=_HOUR_LATER),
    "answered": _answered("EVER_PILL", "9"),
    "value_not_too_low": _measured("BMI", "9", at=_HOUR_LATER),
    "value_not_too_high": _measured("BMI", "101", at=_HOUR_LATER),
    "not_repeated": _measured("BMI", "30", at=_HOUR_LATER, times=2),
    "superseded": _measured("BMI", "30 + n", at=_HOUR_LATER, recorded="examined_at + n * interval '1 day'", times=2),
    "ambiguous": _measured("BMI", "30 + n", at=_HOUR_LATER, times=2),
    "age_known": _woman("age_years = NULL"),
    "age_possible": _woman("age_years = 45"),
    "income_possible": _woman("income_ratio = 5.1"),
    "mostly_usable": _measured("BMI", "30", at="NULL", times=500),
}


def test_every_planted_trap_is_found_by_its_rule(with_example: Any) -> None:
    site = with_example("pcos")

    ended = site.run(as_of=NOW)

    assert ended.counts.scored > 300
    found = {(entity, rule) for entity, rule, *_ in site.open_findings()}
    statuses = site.statuses()
    for number in range(1, 4):
        for rule in (*HELD, *TOLD):
            assert (f"{rule}_{number}", rule) in found
        assert {statuses[f"{rule}_{number}"] for rule in HELD} == {"QUARANTINED"}
        assert {statuses[f"{rule}_{number}"] for rule in TOLD} <= {"SCORED", "INDETERMINATE"}  # not held
        assert statuses[f"insufficient_{number}"] == "INSUFFICIENT"
        assert f"excluded_{number}" not in statuses
    assert ("999999", "entity_exists") in found

    again = site.run(as_of=NOW)
    assert again.counts.scored == 0
    assert again.counts.unchanged > 10  # the others are settled


def test_the_view_has_the_columns_of_a_prediction(with_example: Any) -> None:
    site = with_example("pcos")
    site.run(as_of=NOW)

    rows = site.rows(
        "SELECT user_id, risk_score, risk_level, confidence, model_version FROM reporting.pcos_predictions"
    )

    assert rows
    assert all(confidence == max(score, 1 - score) for _, score, _, confidence, _ in rows)
    comment = site.one("SELECT obj_description('reporting.pcos_predictions'::regclass)")
    assert "confidence" in comment
    assert "proxy" in comment


def test_a_landmark_is_an_examination_whose_hormones_are_known(with_example: Any) -> None:
    site = with_example("pcos")
    site.execute("DELETE FROM pcos.outcomes WHERE exam_id = 2")
    site.execute("UPDATE pcos.examinations SET exclusion = 'pregnant' WHERE exam_id = 3")

    with closing(Source(Target.of(site.url, site.settings, role=site.settings.worker_role))) as source:
        table = {row["entity_id"]: row for row in source.landmarks(site.job).to_pylist()}

    assert "W0000" in table
    assert not {"W0001", "W0002", "excluded_1"} & set(table)
    for exam_id, name in ((1, "W0000"), (4, "W0003")):
        ((examined_at, outcome),) = site.rows(
            "SELECT x.examined_at, t.hyperandrogenism FROM pcos.examinations AS x JOIN pcos.outcomes AS t USING (exam_id) "
            "WHERE x.exam_id = %s",
            exam_id,
        )
        assert (table[name]["as_of"] - examined_at).days == 7
        assert table[name]["label"] == outcome


def test_a_remembered_weight_stands_at_its_own_time(with_example: Any) -> None:
    site = with_example("pcos")
    site.execute("DELETE FROM pcos.answers WHERE exam_id = 1")
    for number, (question, value, about) in enumerate(
        (("HEIGHT_SELF", 65, 0), ("WEIGHT_SELF", 150, 0), ("WEIGHT_SELF", 130, 10), ("WEIGHT_SELF", 9999, 1)),
        start=900_001,
    ):
        site.execute(
            "INSERT INTO pcos.answers (answer_id, exam_id, question, value, about_at, answered_at) "
            "SELECT %s, 1, %s, %s, examined_at - make_interval(years => %s), examined_at FROM pcos.examinations WHERE exam_id = 1",
            number,
            question,
            value,
            about,
        )
    site.run(as_of=NOW)

    stored = site.one("SELECT features FROM scorer.scores WHERE entity_id = 'W0000'")
    vector = dict(zip(feature_names(site.job.features), np.frombuffer(stored, dtype="<f8"), strict=True))
    assert vector["BMI_SELF_last_stay"] == pytest.approx(150 / 65**2 * 703.07)
    assert vector["BMI_SELF_min_stay"] == pytest.approx(130 / 65**2 * 703.07)
    assert vector["BMI_SELF_slope_stay"] > 0
    assert ("W0000", "answered") in {(entity, rule) for entity, rule, *_ in site.open_findings("W0000")}


def test_neither_hormones_nor_what_they_are_judged_by_are_features() -> None:
    names = feature_names(load_job("pcos").features)

    assert not [name for name in names if name.startswith(("TESTOSTERONE", "SHBG", "ESTRADIOL", "FREE", "ethnicity"))]


def test_the_recipe_of_questions_alone_is_of_the_groups_that_the_search_calls_so() -> None:
    job = load_job("pcos")
    recipe = read_recipe(job.model_folder / "questionnaire.json", job="pcos")

    assert recipe.groups == job.search.combinations["questionnaire"]
    require_groups(recipe.groups, job.features.group_names, where="questionnaire.json")


def test_each_rule_is_broken_by_a_row_planted_for_it(with_example: Any, source: Source) -> None:
    site = with_example("pcos")
    examined = (
        "SELECT user_id FROM pcos.examinations WHERE examined_at < '2026-11-01' AND exclusion IS NULL ORDER BY exam_id"
    )
    require_each_broken(site, source, BREAKS, clean=examined, as_of=NOW)
    require_each_score_rule(site.job)

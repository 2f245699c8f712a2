"""The reasons stored with scores: those of the bands that the job names, adding up, the same in any batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest

from scorer.jobs.publication import Reasoning
from scorer.registry.ensemble import Ensemble

VISITS = 30  # of the fixture `scored`
HEART_RATE = "HR_last_stay"
SHOWN = (
    "SELECT kind, feature, value, contribution, code, attribute, source, observation_id, observation_date, observation_value "
    "FROM reporting.score_reasons WHERE entity_id = %s ORDER BY rank"
)


def high(hospital: Any) -> list[str]:
    return [
        entity for (entity,) in hospital.rows("SELECT entity_id FROM reporting.current_scores WHERE risk_band = 'HIGH'")
    ]


def test_high_scores_and_no_others_have_reasons_that_add_up(scored: Any) -> None:
    scored.run()
    found = scored.rows(
        "SELECT entity_id, max(score), sum(contribution), count(*) FROM reporting.score_reasons WHERE current GROUP BY entity_id"
    )
    assert sorted(entity for entity, *_ in found) == sorted(high(scored))
    assert len(found) == VISITS // 10
    for _, score, total, rows in found:
        assert total == pytest.approx(np.log(score) - np.log1p(-score), abs=1e-9)
        assert rows == 5 + 2


def test_the_observation_is_named(scored: Any) -> None:
    scored.run()
    ((_, feature, value, contribution, *origin), *rest) = scored.rows(SHOWN, "10")
    (observation,) = scored.rows(
        "SELECT observation_id::text, observation_date, observation_value FROM patient_observations WHERE visit_id = 10 "
        "AND observation_value = 140"
    )
    assert (feature, value, contribution) == (HEART_RATE, 140.0, pytest.approx(7.0))
    assert origin == ["HR", None, "last", *observation]
    age = next(each for each in rest if each[1] == "age_years")
    assert age[5] == "age_years"
    lactate = next(each for each in rest if each[1] == "LACTATE_last_stay")
    assert lactate[2:5] == (None, pytest.approx(0.25), "LACTATE")
    assert [each[0] for each in rest[-2:]] == ["others", "bias"]


def test_the_reasons_are_the_same_in_whatever_batch(scored: Any, make_database: Callable[[str], str]) -> None:
    scored.close()
    scored._connection = None
    twin = make_database(scored.url.split("?")[0].rsplit("/", 1)[1])
    scored.run()
    other = replace(scored, url=twin, settings=replace(scored.settings, batch_size=7), _connection=None)
    other.run()
    query = (
        "SELECT entity_id, rank, kind, feature, value, encode(float8send(contribution), 'hex'), observation_id "
        "FROM reporting.score_reasons ORDER BY entity_id, rank"
    )
    assert scored.rows(query) == other.rows(query)
    other.close()


def test_the_job_says_which_bands_and_how_many(scored: Any) -> None:
    job = replace(scored.job, reasons=Reasoning(bands=("HIGH", "LOW"), top=2))
    scored.run(job)
    bands = dict(scored.rows("SELECT risk_band, count(*) / 4 FROM reporting.score_reasons GROUP BY risk_band"))
    assert bands == {
        "HIGH": VISITS // 10,
        "LOW": scored.one("SELECT count(*) FROM reporting.current_scores WHERE risk_band = 'LOW'"),
    }
    off = replace(scored.job, version="f" * 16, reasons=Reasoning())
    before = scored.one("SELECT count(*) FROM scorer.score_reasons")
    scored.run(off, as_of=scored.noon + timedelta(minutes=1))
    assert scored.one("SELECT count(*) FROM scorer.score_reasons") == before


class Wrong(Ensemble):
    """Says parts of another score."""

    def contributions(self, rows: Any) -> Any:
        return super().contributions(rows) + 0.1  # type: ignore[operator]


class Raising(Ensemble):
    """Cannot say its parts."""

    def contributions(self, rows: Any) -> Any:  # noqa: ARG002 - the estimator's
        raise ZeroDivisionError


@pytest.mark.parametrize(("kind", "error"), [(Wrong, "do not add up"), (Raising, "ZeroDivisionError was raised")])
def test_a_score_is_not_lost_for_want_of_its_reasons(
    scored: Any,
    make_model: Callable[..., Path],
    caplog: pytest.LogCaptureFixture,
    kind: Any,
    error: str,
    linear: Callable[..., Ensemble],
) -> None:
    estimator = kind(linear(scored.job).members, slope=1.0, intercept=3.5)
    scored.put_into_production(scored.job, make_model(scored.job, estimator, version="odd"))
    scored.settings = replace(scored.settings, batch_size=10)
    scored.run()
    assert len(high(scored)) == VISITS // 10
    assert scored.one("SELECT count(*) FROM scorer.score_reasons") == 0
    (record,) = [each for each in caplog.records if "without their reasons" in each.getMessage()]
    assert error in record.fields["error"]  # type: ignore[attr-defined]


def test_reasons_are_never_changed(scored: Any) -> None:
    scored.run()
    for change in (
        "UPDATE scorer.score_reasons SET value = 0",
        "DELETE FROM scorer.score_reasons",
        "TRUNCATE scorer.score_reasons",
    ):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege, match="append-only"):
            scored.execute(change)


def test_an_answer_gives_its_reasons(
    ward: Any, make_model: Callable[..., Path], answering: Any, linear: Callable[..., Ensemble]
) -> None:
    ward.put_into_production(ward.job, make_model(ward.job, linear(ward.job), version="by-hand"))
    answering.warm()
    ward.admit(1)
    ward.observe(1, hours_ago=0.5, observation_value=150.0)
    ward.execute("SELECT scorer.request_score('sepsis', '1')")
    assert answering.answer_waiting() == 1
    assert [kind for kind, *_ in ward.rows(SHOWN, "1")] == ["feature"] * 5 + ["others", "bias"]

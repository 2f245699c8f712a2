"""The shipped job churn, on its example: each planted trap is found by its rule; landmarks, outcomes and the view are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from scorer.checks.in_depth.leaks import check_leaks
from scorer.database.connection import Database
from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import read_landmarks
from scorer.types.values import WorkItem
from tests.integration.jobs_shipped.planted import Row, in_future, require_each_broken, require_each_score_rule

AS_OF = datetime(2026, 11, 23, 4, tzinfo=UTC)
COLUMNS = [
    *("user_id", "snapshot_date", "churn_risk", "risk_level", "confidence", "enrolment_id", "course_id", "scored_at"),
    *("valid_until", "stale", "status", "model_version"),
]


@pytest.fixture
def platform(with_example: Callable[[str], Any]) -> Any:
    """The example, loaded, with a learner beside it who registers, hands one work in late, another not at all, and leaves."""
    hospital = with_example("churn")
    hospital.execute(
        "INSERT INTO churn.enrolments (enrolment_id, user_id, course_id, registered_at, unregistered_at, previous_attempts, credits) "
        "VALUES ('E', 'U', 'BBB-2026B', '2026-01-22 00:00Z', '2026-04-02 12:00Z', 0, 60)"
    )
    # Due on 20 February and on 20 March, each at 17:00.
    hospital.execute(
        "INSERT INTO churn.submissions VALUES (90001, 'E', 'BBB1', '2026-02-22 17:00Z', false, 55, '2026-03-04 17:00Z')"
    )
    return hospital


def test_each_trap_is_found_and_the_rest_is_scored(platform: Any) -> None:
    ended = platform.run(as_of=AS_OF)
    assert ended.counts.scored > 250
    found = {(rule, action) for _, rule, action, *_ in platform.open_findings()}
    assert found == {
        ("date_present", "drop"),
        ("registration_known", "warn"),
        ("value_present", "drop"),
        ("value_not_too_low", "drop"),
        ("value_not_too_high", "drop"),
        ("code_known", "drop"),
        ("carried_over_from_an_attempt", "drop"),
        ("due_known", "warn"),
        ("credits_possible", "quarantine"),
        ("education_known", "warn"),
        ("deprivation_readable", "warn"),
        ("entity_exists", "drop"),
    }
    assert ended.counts.quarantined == 2
    platform.run(as_of=AS_OF)  # what was given out after an enrolment's end counts from its second judgement on
    again = platform.run(as_of=AS_OF).counts
    assert (again.scored, again.eligible) == (0, again.unchanged + again.quarantined + again.indeterminate)


def test_what_is_late_missing_or_carried_over_is_told_apart(platform: Any, source: Source) -> None:
    landmarks = read_landmarks(
        platform.job, source, between=(datetime(2026, 3, 20, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    )
    own = landmarks.only(landmarks.entity_ids == "E")
    # As of 29 March: the score came on 4 March; what was due on 20 March is overdue, and nothing is missed for 14 days yet.
    assert [datetime.fromtimestamp(each / 1e6, UTC).isoformat() for each in own.as_of.tolist()] == [
        "2026-03-29T18:00:00+00:00"
    ]
    value = dict(zip(own.features.names, own.features.values[0].tolist(), strict=True))
    assert value["REGISTERED_last_stay"] == 10
    assert value["TMA_DAYS_LATE_last_stay"] == 2
    assert value["TMA_SCORE_last_stay"] == 55
    assert (value["OVERDUE_count_stay"], value["MISSED_count_stay"], value["work_missing"]) == (2, 0, 1)
    assert value["course_day"] == 56


def test_landmarks_end_with_leaving_and_outcomes_are_theirs(platform: Any, source: Source) -> None:
    landmarks = read_landmarks(platform.job, source)
    own = landmarks.only(landmarks.entity_ids == "E")
    assert own.label.tolist() == [0, 0, 0, 1, 1]  # of 1 and 15 February, 1, 15 and 29 March; it left on 2 April
    moments = [
        datetime(2026, 2, 15, 18, tzinfo=UTC),
        datetime(2026, 3, 15, 18, tzinfo=UTC),
        datetime(2026, 4, 2, 12, tzinfo=UTC),
    ]
    known = source.outcomes_known(platform.job, [WorkItem(entity_id="E", as_of=moment) for moment in moments])
    assert [str(each) for each in known] == ["0.0", "1.0", "nan"]
    withdrawn = platform.rows(
        "SELECT o.enrolment_id FROM churn.outcomes AS o JOIN churn.enrolments AS e USING (enrolment_id) "
        "WHERE o.result = 'Withdrawn' AND e.unregistered_at IS NULL"
    )
    for (enrolment,) in withdrawn:
        assert not (landmarks.label[landmarks.entity_ids == enrolment] == 0).any()


def test_the_view_has_the_columns_of_the_document(platform: Any) -> None:
    platform.run(as_of=AS_OF)
    columns = platform.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'reporting' AND table_name = 'churn_predictions' "
        "ORDER BY ordinal_position"
    )
    assert [name for (name,) in columns] == COLUMNS
    rows = platform.rows("SELECT course_id, snapshot_date, churn_risk, confidence FROM reporting.churn_predictions")
    assert len(rows) > 250
    for course, day, risk, confidence in rows:
        assert str(day) == "2026-11-23" or course == "BBB-2026B" or day < AS_OF.date()  # the end of what is over
        assert 0 < risk < 1
        assert confidence == max(risk, 1 - risk)


def test_a_score_counts_from_when_it_was_given_out_and_not_before(platform: Any, source: Source) -> None:
    # Of the other work, handed in on 24 March, nobody knows when its score was given out.
    platform.execute("INSERT INTO churn.submissions VALUES (90002, 'E', 'BBB2', '2026-03-24 17:00Z', false, 90, NULL)")
    seen = []
    for moment in (datetime(2026, 3, 4, 16, tzinfo=UTC), datetime(2026, 3, 4, 18, tzinfo=UTC), AS_OF):
        read = source.observations(platform.job, [WorkItem(entity_id="E", as_of=moment)])
        scores = np.array([code.endswith("_SCORE") for code in read.codes])[read.code]
        seen.append(read.value[scores].tolist())
    assert seen == [[], [55], [55]]


@pytest.mark.parametrize("hours", [1, 18, 100, 200, 300])
def test_nothing_that_came_later_is_read_at_any_moment(with_example: Callable[[str], Any], hours: int) -> None:
    hospital = with_example("churn")
    job = replace(hospital.job, parameters={**hospital.job.parameters, "first_landmark": f"{hours} hours"})
    assert [
        each.found for each in check_leaks(job, database=Database(hospital.url, hospital.settings)) if not each.holds
    ] == []


def _submissions(score: str = "61", times: int = 1, *, of: str = "BBB1", banked: bool = False) -> Row:
    """Submissions of a learner, handed in and marked a while before the as-of time."""
    return Row(
        "INSERT INTO churn.submissions (submission_id, enrolment_id, assessment_id, submitted_at, banked, score, marked_at) "
        f"SELECT m.last + n, '{{entity}}', '{of}', t.at, {banked}, {score}, t.at "
        f"FROM generate_series(1, {times}) AS n CROSS JOIN (SELECT max(submission_id) AS last FROM churn.submissions) AS m "
        "CROSS JOIN (SELECT timestamptz '{as_of}' - interval '90 days' AS at) AS t"
    )


def _enrolment(change: str) -> Row:
    return Row(f"UPDATE churn.enrolments SET {change} WHERE enrolment_id = '{{entity}}'")


BREAKS = {
    "date_present": _enrolment("registered_at = NULL"),
    "not_in_future": Row(change=in_future),
    "code_known": _submissions(of="no such work"),
    "value_present": _submissions("NULL"),
    "value_finite": _submissions("'Infinity'"),
    "value_not_too_low": _submissions("-1"),
    "value_not_too_high": _submissions("999"),
    "carried_over_from_an_attempt": Row(f"{_enrolment('previous_attempts = 0').sql}; {_submissions(banked=True).sql}"),
    "due_known": _submissions(of="BBB-exam"),
    "registration_known": _enrolment("registered_at = NULL"),
    "mostly_usable": _submissions(times=500, of="no such work"),
    "credits_possible": _enrolment("credits = -60"),
    "attempts_possible": _enrolment("previous_attempts = 21"),
    "education_known": _enrolment("education = 'Diploma'"),
    "module_known": Row(
        "INSERT INTO churn.courses SELECT 'XXX-2026B', 'XXX', starts_at, ends_at FROM churn.courses WHERE course_id = 'BBB-2026B'; "
        "UPDATE churn.enrolments SET course_id = 'XXX-2026B' WHERE enrolment_id = '{entity}'"
    ),
    "deprivation_readable": _enrolment("deprivation = '1O-20%'"),
}


def test_each_rule_is_broken_by_a_row_planted_for_it(with_example: Callable[[str], Any], source: Source) -> None:
    hospital = with_example("churn")
    staying = "SELECT enrolment_id FROM churn.enrolments WHERE course_id = 'BBB-2026B' AND unregistered_at IS NULL ORDER BY 1 LIMIT 60"
    require_each_broken(hospital, source, BREAKS, clean=staying, as_of=AS_OF)
    require_each_score_rule(hospital.job)

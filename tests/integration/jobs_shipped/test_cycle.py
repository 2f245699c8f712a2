"""The shipped job cycle, on its example: each planted trap is found by its rule; landmarks, outcomes and the view are right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import read_landmarks
from scorer.types.values import WorkItem
from tests.integration.jobs_shipped.planted import Row, require_each_broken, require_each_score_rule

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
COLUMNS = [
    *("user_id", "predicted_length_days", "low_days", "high_days", "confidence", "cycle_category", "cycle_began_on"),
    *("next_period_on", "prediction_timestamp", "model_version", "as_of", "valid_until", "stale", "status"),
]
# A user whose second cycle was told two days late, whose third length is not that of its dates, and who has begun a fifth cycle.
CYCLES = (
    (9001, "2026-01-01", "2026-01-29", 28, "2026-01-29"),
    (9002, "2026-01-29", "2026-02-25", 27, "2026-02-27"),
    (9003, "2026-02-25", "2026-03-27", 25, "2026-03-27"),
    (9004, "2026-03-27", "2026-04-24", 28, "2026-04-24"),
)


def _cycle(length: str, *, days: str = "", ended: str = "min(began_on)", recorded: str = "NULL", times: int = 1) -> Row:
    """Cycles of a user before her first, the n-th of them numbered n; as many `days` apart as their length says, if none are given."""
    key = "(SELECT max(cycle_id) FROM cycle.cycles) + n"
    began = f"{ended} - {days or length}"
    return Row(
        f"INSERT INTO cycle.cycles SELECT {key}, user_id, {began}, {ended}, {length}, {recorded} "
        f"FROM cycle.cycles CROSS JOIN generate_series(1, {times}) AS n WHERE user_id = {{entity}} GROUP BY user_id, n"
    )


BREAKS = {
    "date_present": _cycle("28", ended="CAST(NULL AS date)"),
    "not_in_future": _cycle("28", ended="date '{as_of}' + 1", recorded="min(began_on)"),
    "value_present": _cycle("NULL", days="28"),
    "value_finite": _cycle("'Infinity'", days="28"),
    "value_not_too_low": _cycle("9"),
    "value_not_too_high": _cycle("181"),
    "length_fits_dates": _cycle("28", days="27"),
    "all_periods_tracked": _cycle("77"),
    "not_repeated": _cycle("28", times=2),
    "superseded": _cycle("28 + n", days="(28 + n)", recorded="min(began_on) + n", times=2),
    "ambiguous": _cycle("28 + n", days="(28 + n)", times=2),
    "mostly_usable": _cycle("9", times=50),
}


@pytest.fixture
def tracker(with_example: Callable[[str], Any]) -> Any:
    """The example, loaded, with the user of CYCLES beside it."""
    hospital = with_example("cycle")
    hospital.execute("INSERT INTO cycle.users VALUES (1, '2026-01-01')")
    for cycle in CYCLES:
        hospital.execute("INSERT INTO cycle.cycles VALUES (%s, 1, %s, %s, %s, %s)", *cycle)
    return hospital


def test_each_trap_is_found_and_the_rest_is_scored(tracker: Any) -> None:
    ended = tracker.run(as_of=AS_OF)
    assert ended.counts.scored > 200
    found = {rule for _, rule, *_ in tracker.open_findings()}
    suites = tracker.job.suites
    rules = {each["meta"]["rule"] for name in ("observations", "features") for each in suites[name]["expectations"]}
    assert found == rules
    assert ("1", "length_fits_dates", "drop", "9003") in {finding[:4] for finding in tracker.open_findings(1)}
    assert tracker.run(as_of=AS_OF).counts.scored == 0


def test_the_view_tells_the_cycle_that_runs_and_when_the_next_begins(tracker: Any) -> None:
    tracker.run(as_of=AS_OF)
    columns = tracker.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'reporting' AND table_name = 'cycle_predictions' "
        "ORDER BY ordinal_position"
    )
    assert [name for (name,) in columns] == COLUMNS
    ((low, length, high, confidence, begun, following),) = tracker.rows(
        "SELECT low_days, predicted_length_days, high_days, confidence, cycle_began_on, next_period_on "
        "FROM reporting.cycle_predictions WHERE user_id = 1"
    )
    assert low < length < high
    assert confidence == 0.9
    assert str(begun) == "2026-04-24"
    assert (following - begun).days == round(length)


def test_a_cycle_that_was_recorded_after_its_user_was_lost_counts_from_its_end(tracker: Any) -> None:
    tracker.execute("INSERT INTO cycle.users VALUES (2, '2026-01-01')")
    for number, (began, ended, length) in enumerate(
        (("2026-01-01", "2026-01-29", 28), ("2026-01-29", "2026-02-26", 28), ("2026-02-26", "2026-03-26", 28))
    ):
        tracker.execute(
            "INSERT INTO cycle.cycles VALUES (%s, 2, %s, %s, %s, %s)", 9100 + number, began, ended, length, ended
        )
    tracker.execute("INSERT INTO cycle.cycles VALUES (9103, 2, '2026-03-26', '2026-04-23', 28, '2026-07-10 12:00Z')")
    tracker.run(as_of=datetime(2026, 7, 20, tzinfo=UTC))
    ((as_of, begun),) = tracker.rows("SELECT as_of, cycle_began_on FROM reporting.cycle_predictions WHERE user_id = 2")
    assert as_of == datetime(2026, 6, 22, tzinfo=UTC), "sixty days after the newest end"
    assert str(begun) == "2026-04-23"


def test_landmarks_are_beginnings_as_known_and_outcomes_what_came(tracker: Any, source: Source) -> None:
    landmarks = read_landmarks(tracker.job, source)
    own = landmarks.only(landmarks.entity_ids == "1")
    begun = [datetime.fromtimestamp(moment / 1e6, UTC).date().isoformat() for moment in own.as_of.tolist()]
    # The third cycle was known to have begun two days after it had; its length is none.
    assert begun == ["2026-01-01", "2026-01-29", "2026-02-27", "2026-03-27"]
    assert own.label.tolist()[:2] == [28, 27]
    assert own.label[2] != own.label[2]
    assert own.label[3] == 28
    assert own.read.tolist() == [0, 1, 2, 3]
    moments = [datetime(2026, 2, 10, tzinfo=UTC), datetime(2026, 3, 10, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)]
    known = source.outcomes_known(tracker.job, [WorkItem(entity_id="1", as_of=moment) for moment in moments])
    assert [str(each) for each in known] == ["27.0", "nan", "nan"]


def test_each_rule_is_broken_by_a_row_planted_for_it(tracker: Any, source: Source) -> None:
    tracking = "SELECT CAST(user_id AS text) FROM cycle.users WHERE user_id > 900000 ORDER BY user_id"
    require_each_broken(tracker, source, BREAKS, clean=tracking, as_of=AS_OF)
    require_each_score_rule(tracker.job, possible=(15, 60), impossible=181)

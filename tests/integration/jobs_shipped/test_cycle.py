"""The shipped job cycle, on its example: each planted trap is found by its rule; landmarks, outcomes and the view are right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import read_landmarks
from scorer.types.values import WorkItem

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

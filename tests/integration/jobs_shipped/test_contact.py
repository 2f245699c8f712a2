"""The shipped job contact, on its example: each planted trap is found by its rule; landmarks, outcomes and the view are right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import read_landmarks
from scorer.types.values import WorkItem
from tests.integration.jobs_shipped.planted import (
    Row,
    in_future,
    infinite,
    of_unknown_code,
    require_each_broken,
    require_each_score_rule,
)

AS_OF = datetime(2026, 11, 16, 0, tzinfo=UTC)
COLUMNS = [
    *(
        "entity_id",
        "prediction_type",
        "predicted_value",
        "predicted_class",
        "confidence",
        "top_features",
        "prediction_date",
    ),
    *("model_version", "latency_ms", "outputs", "as_of", "valid_until", "stale", "status"),
]
# Of a person: prompts of Monday 2 to Tuesday 3 November 2026, by the clock of Madrid, an hour ahead of UTC, with minutes to the answer.
PROMPTS = (
    *(("Mon-07", "2026-11-02 06:00Z", None), ("Mon-10", "2026-11-02 09:00Z", 5), ("Mon-13", "2026-11-02 12:00Z", 40)),
    *(("Mon-16", "2026-11-02 15:00Z", 10), ("Mon-19", "2026-11-02 18:00Z", 400), ("Mon-22", "2026-11-02 21:00Z", 5)),
    *(("Tue-07", "2026-11-03 06:00Z", None), ("Tue-10", "2026-11-03 09:00Z", 15)),
)


def _prompts(sent_at: str, times: int = 1, *, prompted_at: str = "sent_at", answered_at: str | None = None) -> Row:
    """Prompts of the person of a slot, each answered where a time is given."""
    prompt = (
        "INSERT INTO contact.prompts (prompt_id, person_id, slot_id, sent_at) "
        f"SELECT m.last + n, split_part('{{entity}}', '/', 1), split_part('{{entity}}', '/', 2), {sent_at} "
        f"FROM generate_series(1, {times}) AS n CROSS JOIN (SELECT max(prompt_id) AS last FROM contact.prompts) AS m"
    )
    if answered_at is None:
        return Row(prompt)
    answer = (
        "INSERT INTO contact.answers (answer_id, person_id, prompt_id, prompted_at, answered_at) "
        f"SELECT (SELECT max(answer_id) + 1 FROM contact.answers), person_id, prompt_id, {prompted_at}, {answered_at} "
        "FROM contact.prompts ORDER BY prompt_id DESC LIMIT 1"
    )
    return Row(f"{prompt}; {answer}")


def _slot(name: str, *, weekday: int, hour: int) -> Row:
    """A slot beside the others, as which the person is judged."""
    return Row(
        f"INSERT INTO contact.slots (slot_id, weekday, hour) VALUES ('{name}', {weekday}, {hour})",
        judged=f"{{person}}/{name}",
    )


_EARLIER = "timestamptz '{as_of}' - interval '40 days'"
BREAKS = {
    "date_present": _prompts("NULL"),
    "not_in_future": Row(change=in_future),
    "code_known": Row(change=of_unknown_code),
    "value_present": _prompts(_EARLIER, prompted_at="NULL", answered_at="sent_at + interval '5 minutes'"),
    "value_finite": Row(change=infinite),
    "value_not_too_low": _prompts(_EARLIER, answered_at="sent_at - interval '5 minutes'"),
    "value_not_too_high": _prompts(_EARLIER, answered_at="sent_at + interval '3 days'"),
    "not_repeated": _prompts(_EARLIER, 2),
    "mostly_usable": _prompts("NULL", 2000),
    "slot_ahead": _slot("Never-10", weekday=9, hour=10),
    "hour_possible": _slot("Mon-25", weekday=1, hour=25),
    "age_possible": Row("UPDATE contact.people SET age_years = 5 WHERE person_id = split_part('{entity}', '/', 1)"),
}


@pytest.fixture
def app(with_example: Callable[[str], Any]) -> Any:
    """The example, loaded, with the person of PROMPTS beside it."""
    hospital = with_example("contact")
    hospital.execute("INSERT INTO contact.people (person_id, joined_at) VALUES ('P', '2026-11-01 00:00Z')")
    for number, (slot, sent_at, minutes) in enumerate(PROMPTS, start=90001):
        hospital.execute("INSERT INTO contact.prompts VALUES (%s, 'P', %s, %s)", number, slot, sent_at)
        if minutes is not None:
            hospital.execute(
                "INSERT INTO contact.answers VALUES (%s, 'P', %s, %s, %s::timestamptz + %s * INTERVAL '1 minute')",
                *(number, number, sent_at, sent_at, minutes),
            )
    return hospital


def test_each_trap_is_found_and_the_best_slot_of_each_person_is_told(app: Any) -> None:
    ended = app.run(as_of=AS_OF)
    assert ended.counts.scored > 400
    assert ended.counts.insufficient == 42  # of the person who is new
    found = {(rule, action) for _, rule, action, *_ in app.open_findings()}
    assert found == {
        ("value_not_too_low", "drop"),
        ("value_not_too_high", "drop"),
        ("date_present", "drop"),
        ("not_repeated", "drop"),
        ("age_possible", "warn"),
        ("entity_exists", "drop"),
    }
    columns = app.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'reporting' AND table_name = 'contact_predictions' "
        "ORDER BY ordinal_position"
    )
    assert [name for (name,) in columns] == COLUMNS
    ((kind, value, best, confidence, outputs, latency, reasons),) = app.rows(
        "SELECT prediction_type, predicted_value, predicted_class, confidence, outputs, latency_ms, top_features "
        "FROM reporting.contact_predictions WHERE entity_id = 'P01'"
    )
    assert kind == "CONTACT_TIMING"
    assert len(outputs) == 42
    assert value == confidence == outputs[best] == max(outputs.values())
    assert latency > 0
    assert {"feature_name", "contribution", "value"} == set(reasons[0])
    app.run(as_of=AS_OF)  # whether a person's last prompts were answered counts from the second judgement of the end on
    again = app.run(as_of=AS_OF).counts
    assert (again.scored, again.eligible) == (0, again.unchanged + again.insufficient + again.indeterminate)


def test_landmarks_are_prompts_foretold_at_once_and_from_monday(app: Any, source: Source) -> None:
    landmarks = read_landmarks(app.job, source)
    own = landmarks.only(landmarks.cohort == "P")
    # After the first six: Tuesday at 7 and at 10. On Monday at midnight nothing of the person was known.
    assert [datetime.fromtimestamp(each / 1e6, UTC).isoformat()[:16] for each in own.as_of.tolist()] == [
        "2026-11-03T05:59",
        "2026-11-03T08:59",
    ]
    assert own.label.tolist() == [0, 1]
    value = dict(zip(own.features.names, own.features.values[1].tolist(), strict=True))
    # By 9:59 on Tuesday: of seven prompts at 7 to 22 and 7 again the last is not known to be unanswered; 400 minutes are no answer.
    assert value["PROMPTLY_count_stay"] == 6
    assert value["PROMPTLY_mean_stay"] == 3 / 6
    assert value["ANSWERED_mean_stay"] == 4 / 6
    assert value["SAME_HOUR_mean_stay"] == 1
    assert (value["hour"], value["weekday"]) == (10, 2)
    assert value["hours_ahead"] == pytest.approx(1 / 60)


def test_outcomes_are_of_the_next_prompt_at_the_slot(app: Any, source: Source) -> None:
    monday = datetime(2026, 11, 1, 23, tzinfo=UTC)
    slots = ["Mon-07", "Mon-10", "Mon-13", "Mon-19", "Wed-10"]
    known = source.outcomes_known(app.job, [WorkItem(entity_id=f"P/{slot}", as_of=monday) for slot in slots])
    assert [str(each) for each in known] == ["0.0", "1.0", "0.0", "0.0", "nan"]
    later = source.outcomes_known(app.job, [WorkItem(entity_id="P/Mon-10", as_of=AS_OF)])
    assert [str(each) for each in later] == ["nan"]


def test_each_rule_is_broken_by_a_row_planted_for_it(with_example: Callable[[str], Any], source: Source) -> None:
    hospital = with_example("contact")
    slots = (
        "SELECT person_id || '/' || slot_id FROM contact.prompts JOIN contact.people USING (person_id) GROUP BY person_id, slot_id "
        "ORDER BY slot_id, person_id LIMIT 30"
    )
    require_each_broken(hospital, source, BREAKS, clean=slots, as_of=AS_OF)
    require_each_score_rule(hospital.job)

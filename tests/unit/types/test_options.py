"""Values of options: every kind is read, and what is none is refused in one sentence."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from scorer.errors import UserError
from scorer.types.options import CronEntry, parse_span, read_names, read_schedules

# Spans of time


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1 ms", timedelta(milliseconds=1)),
        ("500ms", timedelta(milliseconds=500)),
        ("5 s", timedelta(seconds=5)),
        ("1 second", timedelta(seconds=1)),
        ("30 seconds", timedelta(seconds=30)),
        ("10 min", timedelta(minutes=10)),
        ("2 minutes", timedelta(minutes=2)),
        ("6 h", timedelta(hours=6)),
        ("1.5 hours", timedelta(minutes=90)),
        ("30 days", timedelta(days=30)),
        ("1 d", timedelta(days=1)),
        (" 7  day ", timedelta(days=7)),
    ],
)
def test_spans_are_read(text: str, span: timedelta) -> None:
    assert parse_span(text, where="here") == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6",
        "h",
        "6 m",
        "6 M",
        "6 H",
        "-6 h",
        "+6 h",
        "6 hs",
        "6 moons",
        "1,5 h",
        "1e3 s",
        "6 h 30 min",
        "\u0666 h",
        "inf s",
    ],
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=rf'^here: "{re.escape(text)}" is not a span of time; .*\.$'):
        parse_span(text, where="here")


@pytest.mark.parametrize("text", ["0 s", "0.0 h", "0.5 ms"])
def test_no_time_at_all_is_refused(text: str) -> None:
    """PostgreSQL takes a timeout of nothing for none at all."""
    with pytest.raises(UserError, match="is shorter than a millisecond"):
        parse_span(text, where="here")


def test_a_span_beyond_counting_is_refused() -> None:
    with pytest.raises(UserError, match="is longer than can be counted"):
        parse_span("9" * 400 + " days", where="here")
    with pytest.raises(UserError, match="is longer than can be counted"):
        parse_span("999999999999 days", where="here")


# Names, and schedules by job


@pytest.mark.parametrize(
    "value",
    [
        ["readmit", "sepsis"],
        ["readmit", "sepsis", "readmit"],
        "readmit,sepsis",
        "readmit, sepsis",
        '["readmit", "sepsis"]',
        "['readmit','sepsis']",
    ],
)
def test_names_are_read_from_a_list_and_from_a_variable(value: object) -> None:
    assert read_names(value, where="jobs") == ("readmit", "sepsis")


@pytest.mark.parametrize("value", [[], "", "[]", [""], [1], 1, True, {"sepsis": 1}, ["sepsis", None]])
def test_what_is_no_list_of_names_is_refused(value: object) -> None:
    with pytest.raises(
        UserError, match=r'^jobs must be a list of names, and not empty; write it as \["first_job"\]\.$'
    ):
        read_names(value, where="jobs")


@pytest.mark.parametrize(
    ("value", "entry"),
    [
        ({"sepsis": "*/15 * * * *"}, CronEntry("sepsis", "*/15 * * * *", None)),
        ({"sepsis": {"cron": "@daily"}}, CronEntry("sepsis", "@daily", None)),
        (
            {"sepsis": {"cron": "5 6 * * *", "timezone": "Europe/Vienna"}},
            CronEntry("sepsis", "5 6 * * *", "Europe/Vienna"),
        ),
        ('{sepsis = "*/15 * * * *"}', CronEntry("sepsis", "*/15 * * * *", None)),
    ],
)
def test_schedules_are_read_from_a_table_and_from_a_variable(value: object, entry: CronEntry) -> None:
    assert read_schedules(value, where="schedules") == (entry,)


@pytest.mark.parametrize("value", ["*/15 * * * *", "sepsis", 5, True, ["*/15 * * * *"], ""])
def test_what_is_no_table_of_schedules_is_refused(value: object) -> None:
    with pytest.raises(UserError, match=r"^schedules must be a table of schedules by job; write it as "):
        read_schedules(value, where="schedules")


@pytest.mark.parametrize(
    "entry", [5, True, [], {}, {"timezone": "UTC"}, {"cron": 5}, {"cron": "@daily", "zone": "UTC"}]
)
def test_an_entry_that_is_no_schedule_is_refused_by_name(entry: object) -> None:
    with pytest.raises(UserError, match=r"^schedules: batch_size is no schedule of a job; .* above \[schedules\]\.$"):
        read_schedules({"batch_size": entry}, where="schedules")

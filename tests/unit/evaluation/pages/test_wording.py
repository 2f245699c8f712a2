"""Numbers, times and spans as pages write them, at the edges that the examples leave out."""

from __future__ import annotations

import pytest

from scorer.evaluation.pages.wording import counted, milliseconds, moment, share, span


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0.00 s"), (9.994, "9.99 s"), (59.9, "59.9 s"), (60.0, "1 min"), (3600.0, "1 h"), (172_800.0, "2 days")],
)
def test_spans(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


def test_what_is_not_known_is_a_hyphen() -> None:
    assert (span(None), milliseconds(None), moment(None), share(1, 0)) == ("-", "-", "-", "-")


def test_many() -> None:
    assert counted(1234, "due entity", "due entities") == "1,234 due entities"
    assert counted(0, "run") == "0 runs"

"""What is told of bands, moves, validity, quarantine and write-backs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from scorer.database.reporting.models import Change
from scorer.database.reporting.scores import BandSum, Moves, Refused, Validity
from scorer.monitoring.report.reading import OfJob
from scorer.monitoring.report.scores import bands, quarantine, validity, write_backs

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def test_nothing_is_told_of_nothing(of_job: Callable[..., OfJob]) -> None:
    of = of_job()
    assert bands(of, name="j", entities=True) is None
    assert validity(of, name="j") is None
    assert quarantine(of, name="j", entities=True) is None
    assert write_backs(of, name="j") is None


@pytest.mark.parametrize(
    ("highest", "colours"),
    [
        ({"LOW": 0.3, "MEDIUM": 0.6}, {"LOW": "c3", "MEDIUM": "c2"}),
        ({"TOP": 0.9, "LOW": 0.1, "no band": None}, {"TOP": "c4", "LOW": "c3", "no band": "c6"}),
    ],
)
def test_bands_have_colours_of_their_own_and_the_highest_first(
    highest: dict[str, float | None], colours: dict[str, str], of_job: Callable[..., OfJob]
) -> None:
    made = bands(
        of_job(bands=[BandSum("a", MONDAY, band, 2, top) for band, top in highest.items()]), name="j", entities=False
    )
    assert made is not None
    for band, colour in colours.items():
        assert f'style="fill:var(--{colour})"></svg>{band} 2' in made
    order = sorted((band for band in highest), key=lambda band: made.index(f"</svg>{band} 2"))
    assert order == sorted(highest, key=lambda band: -(highest[band] or 0))


def test_a_promotion_and_a_recall_are_marked_on_the_time_axis(of_job: Callable[..., OfJob]) -> None:
    steps = [
        Change("a", MONDAY.replace(day=24), "version", "v2", None, "candidate", None, "me", None),
        Change("a", MONDAY.replace(day=25), "version", "v2", "staging", "production", None, "me", "better"),
        Change("a", MONDAY.replace(day=26), "recall", "v1", None, None, 12, "me", "wrong ward"),
    ]
    made = bands(of_job(bands=[BandSum("a", MONDAY, "LOW", 2, 0.1)], changes=steps), name="j", entities=False)
    assert made is not None
    assert ">1</text>" in made
    assert ">2</text>" in made
    assert ">3</text>" not in made


def test_who_moved_is_named_only_if_asked_for(of_job: Callable[..., OfJob]) -> None:
    of = of_job(
        bands=[BandSum("a", MONDAY, "LOW", 2, 0.1)],
        moves=[Moves("a", "LOW", "HIGH", 30, [f"<{number}>" for number in range(20)])],
    )
    without, named = (bands(of, name="j", entities=entities) for entities in (False, True))
    assert without is not None
    assert named is not None
    assert "&lt;3&gt;" not in without
    assert "&lt;19&gt;, …" in named
    assert '<td class="n">30</td>' in named


def test_validity_tells_the_share_of_time(of_job: Callable[..., OfJob]) -> None:
    made = validity(of_job(validity=Validity("a", 4, 1, 9000.0, 1000.0, 2, 600.0, 3, 1, 3600.0)), name="j")
    assert made is not None
    assert "<dt>time with a valid score</dt><dd>90.0 %</dd>" in made
    assert "<dt>longest gap</dt><dd>10 min</dd>" in made


def test_what_holds_entities_stands_out_and_what_to_do_is_told_once(of_job: Callable[..., OfJob]) -> None:
    refused = [
        Refused("a", "known", "drop", "a known code", 5, 4, 1, 0, MONDAY, ["7"]),
        Refused("a", "one", "quarantine", "one client", 2, 2, 0, 1, MONDAY, ["8", "9"]),
        Refused("a", "other", "drop", "another", 0, 0, 0, 3, None, []),
    ]
    made = quarantine(of_job(refused=refused), name="j", entities=False)
    assert made is not None
    assert made.count("correct the row") == 2
    assert '<tr class="marked"><th scope="row">one</th>' in made
    assert made.count('class="marked"') == 1
    named = quarantine(of_job(refused=refused), name="j", entities=True)
    assert named is not None
    assert '<td class="text">8, 9</td>' in named


def test_write_backs_that_wait(of_job: Callable[..., OfJob]) -> None:
    made = write_backs(
        of_job(standing={"write_backs_waiting": 3, "write_backs_since": MONDAY, "take_backs_waiting": 1}), name="j"
    )
    assert made is not None
    assert "To be written or emptied: 3 rows of the hospital&#x27;s own table" in made
    assert "1 row of them may show a recalled score" in made

"""Of a job: bands and moves between them, validity, what is held, write-backs that wait."""

from __future__ import annotations

from collections.abc import Sequence

from scorer.evaluation.pages.dress import Column, Html, Source, element, facts, numbers, section, table, text
from scorer.evaluation.pages.wording import NOTHING, count, counted, moment, share, span
from scorer.monitoring.report.models import marks_of
from scorer.monitoring.report.operation import by_step, drawn_over_time
from scorer.monitoring.report.reading import OfJob

_WITHOUT = "no band"
# The usual bands have their colours, whichever of them there are; others take what is left, the highest first.
_COLOURS = {"HIGH": "c1", "MEDIUM": "c2", "LOW": "c3", _WITHOUT: "c6"}
_OTHERS = ("c4", "c5", "c1", "c2", "c3")
_MOST = 20  # ids that a statement gives at most
_TO_DO = {
    "quarantine": "correct the row at its source; the entity is scored again, by itself, once it passes.",
    "drop": "the observation is left out and the entity scored without it; correct the row, or the feed that sends it so.",
    "warn": "nothing was kept from scoring; look at the feed where it comes again and again.",
    "fail": "the run stopped and wrote nothing; correct what the rule names, and the next run tries again.",
}


def bands(of: OfJob, *, name: str, entities: bool) -> Html | None:
    """Published scores by band, with the changes of models as marks; then who moved."""
    if not of.bands:
        return None
    highest = {each.band: each.highest or 0.0 for each in of.bands}
    order = sorted(highest, key=lambda band: (band == _WITHOUT, -highest[band], band))
    others = [band for band in order if band not in _COLOURS]
    colours = _COLOURS | {band: _OTHERS[place % len(_OTHERS)] for place, band in enumerate(others)}
    series = by_step(
        [(band, colours[band], [(each.at, each.scores) for each in of.bands if each.band == band]) for band in order],
        of,
    )
    marks = marks_of(of)
    return section(
        "Bands",
        drawn_over_time(series, of, "scores", name=f"{name}-bands", marks=marks)
        or facts([(each.name, count(each.total)) for each in series]),
        element("p", "The numbered lines are the changes so marked under “Versions”.") if marks else None,
        _moves(of, entities=entities),
        level=3,
        id_=f"{name}-bands",
        source=Source(
            "Scores as they were published, whether another has taken their place since or not. A move is a score in another band than the "
            "one before it of the same entity, of the month before at the earliest.",
            ["reporting.published_scores"],
        ),
    )


def _moves(of: OfJob, *, entities: bool) -> Html:
    if not of.moves:
        return element("p", "Nobody moved from one band to another.")
    columns: list[Column | str] = ["from", "to", *numbers("moves")]
    rows: list[list[object]] = [[each.from_band, each.to_band, count(each.moves)] for each in of.moves]
    if entities:
        columns.append(text("who"))
        rows = [[*row, _ids(each.entities)] for row, each in zip(rows, of.moves, strict=True)]
    return table("Who moved between bands", columns, rows)


def _ids(entities: Sequence[str]) -> str:
    """The ids, of which the database gave twenty at most."""
    return ", ".join(entities) + (", …" if len(entities) == _MOST else "")


def validity(of: OfJob, *, name: str) -> Html | None:
    """How long scores were valid, and how long entities were without one between two scores."""
    found = of.validity
    if found is None or not (found.scores or found.valid_seconds):
        return None
    in_all = found.valid_seconds + found.gap_seconds
    shown = [
        ("scores published", count(found.scores)),
        ("of them past their validity", count(found.bygone)),
        ("half were valid for less than", span(found.half_seconds)),
        ("time with a valid score", share(found.valid_seconds, in_all)),
        ("gaps between two scores", count(found.gaps)),
        ("longest gap", span(found.longest_gap_seconds) if found.gaps else NOTHING),
        (f"valid at {moment(of.known_until)}", count(found.valid_at_end)),
        ("expired, none after it", count(found.expired_unfollowed)),
    ]
    return section(
        "How long scores were valid",
        facts(shown),
        level=3,
        id_=f"{name}-valid",
        source=Source(
            "A score is valid until it expires or another takes its place. Between its end and the entity's next score lies a gap, in "
            "which views show it as stale. What expired and was not followed, or was past its validity as it "
            "was published, is told apart: most of it is of records that have ended.",
            ["reporting.published_scores"],
        ),
    )


def quarantine(of: OfJob, *, name: str, entities: bool) -> Html | None:
    """What rules refused, how much of it is open, and what is to be done."""
    if not of.refused:
        return None
    columns: list[Column | str] = [
        "rule",
        "action",
        *numbers("open findings", "of entities", "came", "went"),
        "open since",
        text("what is asked for"),
    ]
    rows: list[list[object]] = [
        [
            each.rule,
            each.action,
            *map(count, (each.open_findings, each.open_entities, each.came, each.went)),
            moment(each.open_since),
            each.expected,
        ]
        for each in of.refused
    ]
    if entities:
        columns.append(text("who"))
        rows = [[*row, _ids(each.entities) or NOTHING] for row, each in zip(rows, of.refused, strict=True)]
    held = [place for place, each in enumerate(of.refused) if each.action == "quarantine" and each.open_findings]
    return section(
        "Quarantine",
        table("Findings by rule; those that hold entities stand out", columns, rows, marked=held),
        element("p", "What to do:"),
        element(
            "ul",
            [
                element("li", element("code", action), f": {_TO_DO.get(action, 'see reporting.quarantine.')}")
                for action in sorted({each.action for each in of.refused})
            ],
            class_="plain",
        ),
        level=3,
        id_=f"{name}-quarantine",
        whole=True,
        source=Source(
            "Open is what no run has seen mended yet; came and went count the findings of the time. What was seen stands in the view "
            "alone: no page shows a value.",
            ["reporting.quarantine"],
        ),
    )


def write_backs(of: OfJob, *, name: str) -> Html | None:
    """Rows of the hospital's own table that wait."""
    standing = of.standing
    if not standing.write_backs_waiting:
        return None
    recalled = (
        f" {counted(standing.take_backs_waiting, 'row')} of them may show a recalled score, the oldest since "
        f"{moment(standing.take_backs_since)}."
        if standing.take_backs_waiting
        else ""
    )
    told = (
        f"To be written or emptied: {counted(standing.write_backs_waiting, 'row')} of the hospital's own table, the oldest since "
        f"{moment(standing.write_backs_since)}.{recalled} Another session holds them, or the table does not take them: `scorer status` and "
        "the journal say which."
    )
    return section(
        "Write-backs that wait",
        element("p", told),
        level=3,
        id_=f"{name}-write-backs",
        source=Source("As it stands now.", ["reporting.health"]),
    )

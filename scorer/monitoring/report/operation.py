"""Of a job: what ran, was late or missed and why; the ledger's balance; requests; load."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from scorer.evaluation.pages.dress import Html, Source, element, facts, figure, joined, numbers, section, table, text
from scorer.evaluation.pages.wording import NOTHING, count, counted, milliseconds, moment, share, span
from scorer.monitoring.report.charts import Series, key, over_time
from scorer.monitoring.report.reading import OfJob

# How an entity of a run ended, each with its colour.
OUTCOMES = {
    "scored": "c3",
    "unchanged": "pale",
    "quarantined": "c2",
    "insufficient": "c4",
    "indeterminate": "c6",
    "failed": "c1",
}
_REASONS = 8  # rows for reasons that ticks were late or missed


def what_ran(of: OfJob, *, name: str) -> Html | None:
    """Runs by what set them off, ticks that were late or missed, runs that failed."""
    if not of.runs and not of.ticks:
        return None
    parts: list[Html | None] = [_runs(of)] if of.runs else []
    troubled = [each for each in of.ticks if each.outcome != "ran"]
    if of.ticks:
        parts.append(element("p", _ticks_in_words(of)))
    if troubled:
        rows = [
            [each.outcome, count(each.ticks), moment(each.first_at), moment(each.last_at), each.reason or NOTHING]
            for each in troubled[:_REASONS]
        ]
        if len(troubled) > _REASONS:
            rest = troubled[_REASONS:]
            last = max(each.last_at for each in rest)
            rows.append(["others", count(sum(each.ticks for each in rest)), NOTHING, moment(last), "further reasons"])
        columns = ["ticks", *numbers("how many"), "the first", "the last", text("why")]
        parts.append(table("Ticks that were late or missed", columns, rows))
    if of.failed_runs:
        failed = [
            [each.run_id, each.trigger, moment(each.started_at), each.error or NOTHING] for each in of.failed_runs
        ]
        parts.append(table("The newest runs that failed", ["run", "set off by", "begun", text("why")], failed))
    return section(
        "What ran",
        *parts,
        level=3,
        id_=f"{name}-ran",
        whole=bool(troubled or of.failed_runs),
        source=Source(
            "A tick is a moment at which the schedule fires the job: it ran, was late (by more than late_after), or was missed. Times are "
            "in UTC.",
            ["reporting.runs", "reporting.ticks"],
        ),
    )


def _ticks_in_words(of: OfJob) -> str:
    told = {outcome: of.ticks_that(outcome) for outcome in ("ran", "late", "missed")}
    return f"{counted(sum(told.values()), 'tick')}: {', '.join(f'{number:,} {name}' for name, number in told.items())}."


def _runs(of: OfJob) -> Html:
    rows = []
    for trigger in sorted({each.trigger for each in of.runs}):
        runs = [each for each in of.runs if each.trigger == trigger]
        number = sum(each.runs for each in runs)
        rows.append(
            [
                trigger,
                count(number),
                count(sum(each.succeeded for each in runs)),
                count(sum(each.failed_runs for each in runs)),
                count(sum(each.going_on for each in runs)),
                span(sum(each.seconds for each in runs) / number),
                span(max(each.longest_seconds for each in runs)),
            ]
        )
    heads = numbers("runs", "succeeded", "failed", "going on", "mean time", "longest")
    return table("Runs by what set them off", ["set off by", *heads], rows)


def balance(of: OfJob, *, name: str) -> Html | None:
    """How the entities of all runs ended, and whether the six counts add up to those that were eligible."""
    if not of.runs:
        return None
    eligible, counts = of.came_to("eligible"), {outcome: of.came_to(outcome) for outcome in OUTCOMES}
    unbalanced = of.came_to("unbalanced")
    balances = joined(
        f"The six add up to the {count(eligible)} that were eligible: "
        if sum(counts.values()) == eligible
        else f"The six add up to {count(sum(counts.values()))} of {count(eligible)} that were eligible: ",
        element("span", "the ledger balances", class_="good")
        if not unbalanced
        else element("span", f"out of balance: {counted(unbalanced, 'run')}", class_="bad"),
        "." if sum(counts.values()) == eligible else "; runs that failed or go on are not told of to the end.",
    )
    shown = [(outcome, f"{count(number)} ({share(number, eligible)})") for outcome, number in counts.items()]
    series = by_step([(outcome, OUTCOMES[outcome], _at(of, outcome)) for outcome in OUTCOMES], of)
    return section(
        "The ledger's balance",
        facts([("eligible", count(eligible)), *shown]),
        element("p", balances),
        drawn_over_time(series, of, "entities", name=f"{name}-balance"),
        level=3,
        id_=f"{name}-balance",
        source=Source(
            "Each due entity of a run ends as exactly one of six: scored; unchanged (same inputs, a valid score); quarantined; "
            "insufficient (too few observations); indeterminate (the model declined, or its scores are switched off); failed. "
            "An entity counts once for each run.",
            ["reporting.runs"],
        ),
    )


def _at(of: OfJob, outcome: str) -> list[tuple[datetime, int]]:
    return [(each.at, getattr(each, outcome)) for each in of.runs]


def by_step(found: Sequence[tuple[str, str, Sequence[tuple[datetime, int]]]], of: OfJob) -> list[Series]:
    """Series over the steps of the period, without those that are nothing throughout.

    Of each is given its name, its colour, and its counts with the first moment of their step.

    Series that are nothing throughout are left out.
    """
    made = []
    for name, colour, counts in found:
        values = dict.fromkeys(of.period.steps, 0)
        for at, number in counts:
            if at in values:
                values[at] += number
        made.append(Series(name, colour, list(values.values())))
    return [each for each in made if each.total]


def drawn_over_time(
    series: Sequence[Series], of: OfJob, what: str, *, name: str, marks: Sequence[float] = ()
) -> Html | None:
    """The drawing of some series with its key; none where there is but one step, or nothing to draw."""
    if len(of.period.steps) < 2 or not series:  # noqa: PLR2004 - one bar alone tells no more than its number
        return None
    drawing = over_time(series, of.period, of=what, name=name, marks=marks)
    return figure(drawing, joined(f"By {of.period.step}, in UTC.", key(series)))


def requests(of: OfJob, *, name: str) -> Html | None:
    """What became of requests, and how soon they were answered."""
    if not of.requests and not of.standing.requests_waiting:
        return None
    rows = [
        [
            "all" if each.at is None else f"{each.at:%-d %b}" if of.period.step == "day" else f"{each.at:%H:00}",
            *map(count, (each.done, each.refused, each.cancelled, each.expired, each.waiting)),
            *map(milliseconds, (each.half_ms, each.most_ms, each.longest_ms)),
        ]
        for each in of.requests
    ]
    heads = numbers("answered", "refused", "cancelled", "expired", "waiting", "half within", "95 % within", "longest")
    waiting = of.standing.requests_waiting
    told = (
        f"Waiting: {counted(waiting, 'request')}, the oldest since {moment(of.standing.requests_since)}."
        if waiting
        else "None waits."
    )
    return section(
        "Requests",
        element("p", told),
        table("Requests and how soon they were answered", ["asked for", *heads], rows) if rows else None,
        level=3,
        id_=f"{name}-requests",
        whole=bool(rows),
        source=Source(
            "From the request's row to its answer, by the database's clock; of those of one entity that were answered.",
            ["reporting.requests", "reporting.health"],
        ),
    )


def load(of: OfJob, *, name: str) -> Html | None:
    """What batches read, and how long the database and the worker were at it, by step of the line."""
    if not of.load:
        return None
    seconds = sum(each.seconds for each in of.load)
    in_steps = sum(each.seconds for each in of.steps)
    lasted = max((of.known_until - of.period.since).total_seconds(), 1.0)
    shown = [
        ("batches", count(sum(each.batches for each in of.load))),
        ("observations read", count(sum(each.observations_read for each in of.load))),
        ("left out by rules", count(sum(each.observations_dropped for each in of.load))),
        ("time in batches", f"{span(seconds)} ({share(seconds, lasted)} of the time)"),
        ("longest batch", span(max(each.longest_seconds for each in of.load))),
    ]
    rows = [[each.step, span(each.seconds), share(each.seconds, in_steps)] for each in of.steps]
    return section(
        "Load on the database",
        facts(shown),
        table("Time by step of the line", ["step", *numbers("time", "share")], rows) if rows else None,
        level=3,
        id_=f"{name}-load",
        source=Source(
            "A batch is one transaction: claimed, read, validated, scored, written. Its time is from its first statement to its commit; "
            "claim, read and write are the database's, the others the worker's own.",
            ["reporting.batches"],
        ),
    )

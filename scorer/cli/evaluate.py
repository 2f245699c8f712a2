"""The commands that say how good a model is: an evaluation, and a checkup of the one in production."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import Moment, database_of, json_option
from scorer.cli.output import print_json, print_table, progress_bar, shown_number, shown_time
from scorer.config import Settings

if TYPE_CHECKING:
    from scorer.evaluation.figures import Evaluation
    from scorer.monitoring.checkup import Checkup, Drift
    from scorer.monitoring.live_performance import Performance

_OF_BANDS = (  # figures of an evaluation
    "utility",
    "sensitivity",
    "ppv",
    "entities_foreseen",
    "lead_hours_median",
    "alarms_per_entity_day",
    "new_alarms_per_entity_day",
    "entities_alarmed_per_100",
)
_OF_SUBGROUPS = ("auroc", "average_precision", "f1", "mae", "r2", "coverage", "width")
_FEATURES_SHOWN = 10  # of a checkup


@dataclass(frozen=True, slots=True)
class _EvaluateOptions:
    """The options of `scorer evaluate`."""

    as_of_every: str | None
    outcomes: bool
    first: datetime | None
    end: datetime | None
    model_version: str | None
    subgroups: str | None
    report: Path | None
    as_json: bool


@click.command()
@click.argument("job", metavar="JOB")
@click.option(
    "--as-of-every",
    help="Time from one as-of time of an entity to the next, from its beginning to its end; without it, the landmarks that the job is "
    "trained at.",
)
@click.option(
    "--outcomes",
    is_flag=True,
    help="Compare the scores with the outcomes; without it, only the load of alerts is told.",
)
@click.option("--from", "first", type=Moment(), help="As-of times from this moment on, such as 2025-06-01T00:00:00Z.")
@click.option("--to", "end", type=Moment(), help="As-of times before this moment.")
@click.option("--model", "model_version", help="The model version; the one in production, where not given.")
@click.option(
    "--subgroups",
    help="Attributes, with commas between, whose values or bands get figures of their own; where not given, those of job.toml. "
    '"" for none.',
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with all figures and plots into this HTML file.",
)
@json_option
@click.pass_obj
def evaluate(settings: Settings, /, job: str, **given: Any) -> None:
    """Say how good a model of JOB is, hour by hour.

    Entities are scored at the landmarks that the job is trained at, or at steps of --as-of-every, by what was known at each as-of
    time. What is found is kept in reporting.evaluations and reporting.evaluation_figures.
    """
    from scorer.evaluation.conduct import Wanted, conduct
    from scorer.jobs.job import load_job
    from scorer.types.options import parse_span

    options = _EvaluateOptions(**given)
    wanted = Wanted(
        every=parse_span(options.as_of_every, where="--as-of-every") if options.as_of_every else None,
        outcomes=options.outcomes,
        between=(options.first, options.end),
        model_version=options.model_version,
        subgroups=None if options.subgroups is None else _names(options.subgroups),
        report=options.report,
        command=shlex.join(["scorer", *sys.argv[1:]]),
    )
    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    with progress_bar(f"Reading {job}") as progress:
        done = conduct(loaded, wanted, database=database_of(settings), progress=progress)
    if options.as_json:
        print_json({"evaluation_id": done.evaluation_id, **done.evaluation.content()})
        return
    _print_evaluation(done.evaluation)
    click.echo(f"Evaluation {done.evaluation_id} is kept in reporting.evaluations and reporting.evaluation_figures.")
    if options.report is not None:
        click.echo(f"The page with its plots: {options.report}")


def _names(text: str) -> tuple[str, ...]:
    """The names that stand in `text` with commas between."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _print_evaluation(evaluation: Evaluation) -> None:
    """Print the cohort, the figures, the alarms of each band and the subgroups."""
    from scorer.evaluation import wording
    from scorer.evaluation.beside_naive import in_words

    whole = evaluation.whole
    click.echo(wording.headline(evaluation))
    print_table(["step", "how many"], [[wording.step(name), count] for name, count in evaluation.attrition.items()])
    if whole.figures:
        naive = {} if evaluation.naive is None else evaluation.naive.figures
        print_table(
            ["figure", "value (95 % interval)", "naive forecast"],
            [
                [
                    wording.title(name),
                    wording.written(figure),
                    wording.number(naive[name].value) if name in naive else "",
                ]
                for name, figure in whole.figures.items()
            ],
        )
    named = wording.bands(whole)
    if named:
        print_table(
            ["alarms", *(wording.threshold(each) for each in named)],
            [
                [wording.title(name), *(wording.written(each.figures[name]) for each in named)]
                for name in _OF_BANDS
                if name in named[0].figures
            ],
        )
    if len(evaluation.groups) > 1:
        _print_subgroups(evaluation)
    if evaluation.naive is not None and evaluation.naive.beaten:
        click.echo(in_words(evaluation.naive))
    for remark in evaluation.remarks:
        click.echo(f"Note: {remark}")


def _print_subgroups(evaluation: Evaluation) -> None:
    """Print a row of figures for each subgroup."""
    from scorer.evaluation import wording

    of_scores = [name for name in _OF_SUBGROUPS if name in evaluation.whole.figures]
    whole = evaluation.alarming(evaluation.whole)
    all_alarms = {} if whole is None else whole.figures
    heads = [
        wording.title(name)
        for name in (*of_scores, "utility", "alarms_per_entity_day")
        if name in of_scores or name in all_alarms
    ]
    rows = []
    for group in evaluation.groups[1:]:
        alarming = evaluation.alarming(group)
        of_alarms = {} if alarming is None else alarming.figures
        shown = [group.figures.get(name) for name in of_scores]
        shown += [of_alarms.get(name) for name in ("utility", "alarms_per_entity_day") if name in all_alarms]
        few = wording.few(group) if evaluation.outcomes else ""
        texts = ["" if each is None else wording.written(each) for each in shown]
        rows.append([wording.subgroup(group), group.entities, group.events, *texts, few])
    print_table(["subgroup", "entities", "events", *heads, ""], rows)


@click.command()
@click.argument("job", metavar="JOB")
@json_option
@click.pass_obj
def monitor(settings: Settings, job: str, *, as_json: bool) -> None:
    """Check the model of JOB up: drift, live figures, what is due.

    Features and scores of the last days beside those of training; the figures of published scores whose outcome is known beside the model's
    own (AUROC, average precision and calibration, for a binary job); observation types that are new; and whether it is due for training.
    What is found is kept, as the daemon keeps what it finds each night.
    """
    from scorer.jobs.job import load_job
    from scorer.monitoring.checkup import check_up

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    found = check_up(loaded, database=database_of(settings))
    if as_json:
        content = asdict(found)
        content["drift"]["features_moved"] = len(found.drift.moved)
        print_json(content)
    else:
        _print_checkup(found)


def _print_checkup(found: Checkup) -> None:
    """Print drift, live figures, what is due, and how each model of the job does."""
    click.echo(f"Model {found.model_version} of {found.job}, scores since {shown_time(found.window_from)}:\n")
    _print_drift(found.drift)
    _print_live_figures(found.performance)
    if found.constant_share is not None:
        click.echo(f"Same score: {found.constant_share:.1%} of the newest.")
    codes = ", ".join(f"{code} ({rows} rows)" for code, rows in found.new_codes.items())
    click.echo(f"New observation types: {codes or 'none'}.")
    click.echo(f"Units: {'; '.join(found.units) or 'as in training'}.\n")
    print_table(
        ["due for training", "reason", "detail", "since"],
        [["yes" if each["due"] else "no", each["reason"], each["detail"], each["since"]] for each in found.retrain_due],
    )
    print_table(
        ["model", "status", "deployed", "predictions", "ms each", "errors", "drift", "last prediction"],
        [
            [
                each["model_version"],
                each["status"],
                each["deployed_at"],
                each["prediction_count"],
                shown_number(each["avg_latency_ms"]),
                shown_number(each["error_rate"]),
                _answer(each["drift_detected"], yes="yes", no="none"),
                each["last_prediction_at"],
            ]
            for each in found.health
        ],
    )


def _print_drift(drift: Drift) -> None:
    """Print whether features and scores drifted, and the features that did most."""
    click.echo(f"Drift: {_answer(drift.found, yes='yes', no='none')}; {drift.detail}.")
    shown = [each for each in drift.shifts if drift.found is not None][:_FEATURES_SHOWN]
    if shown:
        print_table(
            ["feature", "PSI", "missing", "missing in training"],
            [
                [
                    each.feature,
                    shown_number(each.psi),
                    shown_number(each.missing, ".1%"),
                    shown_number(each.baseline_missing, ".1%"),
                ]
                for each in shown
            ],
        )


def _print_live_figures(live: Performance) -> None:
    """Print the figures of published scores beside the model's own."""
    click.echo(f"Live figures: {_answer(live.lost, yes='worse than its own', no='as they should be')}; {live.detail}.")
    if live.figures:
        print_table(
            ["figure", "live", "from", "to", "its own"],
            [
                [each.metric, *map(shown_number, (each.value, each.low, each.high, each.expected))]
                for each in live.figures
            ],
        )
        followed = f", {live.positives} followed by the event" if live.positives else ""
        click.echo(f"Of {live.rows} scores of {live.entities} entities{followed}.")


def _answer(found: bool | None, *, yes: str, no: str) -> str:
    """The answer to a question that may be open (None)."""
    if found is None:
        return "cannot be told"
    return yes if found else no

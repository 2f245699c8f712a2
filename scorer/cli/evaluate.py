"""The command that says how good a model is."""

from __future__ import annotations

import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from scorer.cli.options import Moment, database_of, json_option
from scorer.cli.output import print_json, print_table, progress_bar
from scorer.config import Settings

_OF_BANDS = (
    "utility",
    "sensitivity",
    "ppv",
    "entities_foreseen",
    "lead_hours_median",
    "alarms_per_entity_day",
    "new_alarms_per_entity_day",
    "entities_alarmed_per_100",
)

_FEATURES_SHOWN = 10  # of a checkup


@click.command()
@click.argument("job", metavar="JOB")
@click.option(
    "--as-of-every",
    default="1h",
    show_default=True,
    help="Time from one as-of time of an entity to the next, from its beginning to its end.",
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
def evaluate(
    settings: Settings,
    job: str,
    *,
    as_of_every: str,
    outcomes: bool,
    first: datetime | None,
    end: datetime | None,
    model_version: str | None,
    subgroups: str | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Say how good a model of JOB is, hour by hour.

    Each entity that has ended is scored at steps of --as-of-every by what was known at each as-of time. What is found is kept in
    reporting.evaluations and reporting.evaluation_figures.
    """
    from scorer.config import parse_span
    from scorer.evaluation.conduct import Wanted, conduct
    from scorer.jobs.job import load_job

    wanted = Wanted(
        every=parse_span(as_of_every, where="--as-of-every"),
        outcomes=outcomes,
        between=(first, end),
        model_version=model_version,
        subgroups=None if subgroups is None else tuple(name.strip() for name in subgroups.split(",") if name.strip()),
        report=report,
        command=shlex.join(["scorer", *sys.argv[1:]]),
    )
    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    with progress_bar(f"Reading {job}") as progress:
        done = conduct(loaded, wanted, database=database_of(settings), progress=progress)
    if as_json:
        print_json({"evaluation_id": done.evaluation_id, **done.evaluation.content()})
        return
    _print_evaluation(done.evaluation)
    click.echo(f"Evaluation {done.evaluation_id} is kept in reporting.evaluations and reporting.evaluation_figures.")
    if report is not None:
        click.echo(f"The page with its plots: {report}")


def _print_evaluation(evaluation: Any) -> None:
    from scorer.evaluation import wording

    whole = evaluation.whole
    click.echo(wording.headline(evaluation))
    print_table(["step", "how many"], [[wording.step(name), count] for name, count in evaluation.attrition.items()])
    if whole.figures:
        print_table(
            ["figure", "value (95 % interval)"],
            [[wording.FIGURES[name][0], wording.written(figure)] for name, figure in whole.figures.items()],
        )
    named = wording.bands(whole)
    if named:
        print_table(
            ["alarms", *(wording.threshold(each) for each in named)],
            [
                [wording.FIGURES[name][0], *(wording.written(each.figures[name]) for each in named)]
                for name in _OF_BANDS
                if name in named[0].figures
            ],
        )
    if len(evaluation.groups) > 1:
        _print_subgroups(evaluation)
    for remark in evaluation.remarks:
        click.echo(f"Note: {remark}")


def _print_subgroups(evaluation: Any) -> None:
    from scorer.evaluation import wording

    rows = []
    for group in evaluation.groups[1:]:
        alarming = evaluation.alarming(group)
        of_alarms = {} if alarming is None else alarming.figures
        shown = [group.figures.get("auroc"), group.figures.get("average_precision")]
        shown += [of_alarms.get(name) for name in ("utility", "alarms_per_entity_day")]
        few = wording.few(group) if evaluation.outcomes else ""
        texts = ["" if each is None else wording.written(each) for each in shown]
        rows.append([wording.subgroup(group), group.entities, group.events, *texts, few])
    print_table(["subgroup", "entities", "events", "AUROC", "average precision", "utility", "alarms per day", ""], rows)


@click.command()
@click.argument("job", metavar="JOB")
@json_option
@click.pass_obj
def monitor(settings: Settings, job: str, *, as_json: bool) -> None:
    """Check the model of JOB up: drift, live figures, what is due.

    Features and scores of the last days beside those of training; AUROC, average precision and calibration of published scores whose
    outcome is known beside the model's own; observation types that are new; and whether it is due for training. What is found is kept,
    as the daemon keeps what it finds each night.
    """
    from dataclasses import asdict

    from scorer.jobs.job import load_job
    from scorer.monitoring.checkup import check_up

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    found = check_up(loaded, database=database_of(settings))
    if as_json:
        told = asdict(found)
        told["drift"]["features_moved"] = len(found.drift.moved)
        print_json(told)
    else:
        _print_checkup(found)


def _print_checkup(found: Any) -> None:
    drift, live = found.drift, found.performance
    click.echo(f"Model {found.model_version} of {found.job}, scores since {_moment(found.window_from)}:\n")
    click.echo(f"Drift: {_verdict(drift.found, so='yes', not_so='none')}; {drift.detail}.")
    shown = [each for each in drift.shifts if drift.found is not None][:_FEATURES_SHOWN]
    if shown:
        print_table(
            ["feature", "PSI", "missing", "missing in training"],
            [
                [each.feature, f"{each.psi:.3f}", f"{each.missing:.1%}", f"{each.baseline_missing:.1%}"]
                for each in shown
            ],
        )
    click.echo(
        f"Live figures: {_verdict(live.lost, so='worse than its own', not_so='as they should be')}; {live.detail}."
    )
    if live.figures:
        print_table(
            ["figure", "live", "from", "to", "its own"],
            [[each.metric, *map(_figure, (each.value, each.low, each.high, each.expected))] for each in live.figures],
        )
        click.echo(f"Of {live.rows} scores of {live.entities} entities, {live.positives} followed by the event.")
    if found.constant_share is not None:
        click.echo(f"Same score: {found.constant_share:.1%} of the newest.")
    codes = ", ".join(f"{code} ({rows} rows)" for code, rows in found.new_codes.items())
    click.echo(f"New observation types: {codes or 'none'}.\n")
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
                _figure(each["avg_latency_ms"]),
                _figure(each["error_rate"]),
                _verdict(each["drift_detected"], so="yes", not_so="none"),
                each["last_prediction_at"],
            ]
            for each in found.health
        ],
    )


def _verdict(found: bool | None, *, so: str, not_so: str) -> str:
    if found is None:
        return "cannot be told"
    return so if found else not_so


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%MZ}"

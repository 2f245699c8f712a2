"""The command that looks at a job's model in production."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from scorer.cli.options import database_of, json_option
from scorer.cli.output import print_json, print_table
from scorer.config import Settings

_FEATURES_SHOWN = 10


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
        _print(found)


def _print(found: Any) -> None:
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

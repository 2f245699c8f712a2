"""The commands that answer for past scores: make them again, and take them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from scorer.cli.options import Moment, database_of, json_option, opened_session
from scorer.cli.output import print_json, print_rows, print_table, progress_bar
from scorer.config import Settings
from scorer.errors import UserError

_ROWS_SHOWN = 20  # entities that people are shown; --json and reporting.recalls have all


@click.command()
@click.argument("job", metavar="JOB")
@click.argument("entity", metavar="ENTITY")
@click.option("--score-id", type=int, help="A row of the ledger; the current score, where not given.")
@click.option(
    "--top", type=click.IntRange(min=1), help="How many features to name; as many as job.toml says, where not given."
)
@json_option
@click.pass_obj
def explain(settings: Settings, job: str, entity: str, *, score_id: int | None, top: int | None, as_json: bool) -> None:
    """Tell why ENTITY has its score.

    The features that contribute most, with value, contribution (in log-odds) and the observation that each comes from, then all others
    together and the bias: they add up to the score. As stored with the score; where no reasons were stored, as its model gives them now.
    """
    from scorer.governance.explain import explain as explained
    from scorer.jobs.job import load_job

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    found = explained(loaded, entity, database=database_of(settings), score_id=score_id, top=top)
    if as_json:
        print_json(found.as_json())
        return
    band = f", {found.risk_band}" if found.risk_band else ""
    click.echo(
        f"Score {found.score_id} of {loaded.entity} {entity}: {found.score:.4f}{band}, as of {found.as_of:%Y-%m-%d %H:%MZ}, by model "
        f"{found.model_version}{', in the shadow' if found.shadow else ''}"
    )
    print_table(
        ["feature", "value", "log-odds", "comes from", "observation", "of", "its value"],
        [
            [
                each.feature or _TOLD[each.kind],
                "missing" if each.feature and each.value is None else _figure(each.value),
                f"{each.contribution:+.3f}",
                f"{each.source} {each.code}" if each.source else each.code or each.attribute,
                each.observation_id,
                each.observation_date,
                _figure(each.observation_value),
            ]
            for each in found.reasons
        ],
    )
    total = sum(each.contribution for each in found.reasons)
    where = "stored with the score" if found.stored else "made now, of the stored feature vector"
    click.echo(f"They add up to {total:+.3f}, the log-odds of the score. {where.capitalize()}.")
    if found.note is not None:
        click.echo(f"{found.note[:1].upper()}{found.note[1:]}.")


_TOLD = {"others": "all others", "bias": "before any feature"}


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"


@click.command()
@click.argument("score_ids", metavar="SCORE_ID...", nargs=-1, type=click.IntRange(min=1))
@click.option("--sample", type=click.IntRange(min=1), metavar="N", help="N past scores by lot, instead of those named.")
@click.option("--job", metavar="JOB", help="Of the sample: scores of this job alone.")
@click.option("--since", type=Moment(), help="Of the sample: scores written from this moment on.")
@json_option
@click.pass_obj
def replay(
    settings: Settings,
    score_ids: tuple[int, ...],
    *,
    sample: int | None,
    job: str | None,
    since: datetime | None,
    as_json: bool,
) -> None:
    """Make past scores again, and compare them to the last bit.

    Each is made from the feature vector that the ledger keeps, and from the source tables as known at the time, by the job as it stood and
    the model that scored. IDENTICAL, DIFFERS (how much, and why), or NOT REPLAYABLE (what has changed); kept in reporting.replays.
    Exit 1 where the same inputs give something else.
    """
    if bool(score_ids) == (sample is not None):
        raise UserError("Name the scores to replay by their numbers, or say --sample N; see `scorer replay --help`.")
    if score_ids and (job or since):
        raise UserError("--job and --since are about a sample; say --sample N with them.")
    database = database_of(settings)
    from scorer.governance.replay import counted
    from scorer.governance.replay import replay as make_again

    with progress_bar("Replaying") as progress:
        drawn = score_ids if sample is None else _drawn(settings, size=sample, job=job, since=since)
        found = make_again(sorted(set(drawn)), database=database, progress=progress)
    counts = {"scores": len(set(drawn)), **counted(found)}
    if as_json:
        print_json({**counts, "replays": [asdict(each) for each in found]})
    else:
        _print_replays(found, counts)
    if counts["alarming"]:
        raise UserError(
            f"{counts['alarming']} of {counts['scores']} scores come out otherwise though their inputs are the same; see `scorer check`, "
            "and what was installed or changed since they were made."
        )


def _drawn(settings: Settings, *, size: int, job: str | None, since: datetime | None) -> list[int]:
    from scorer.database.store.replays import draw_scores

    with opened_session(settings, as_worker=True) as session:
        drawn = draw_scores(session, job=job, since=since, size=size)
    if not drawn:
        raise UserError("No score of the ledger is like that; reporting.score_history has those there are.")
    return drawn


def _print_replays(found: Sequence[Any], counts: Mapping[str, int]) -> None:
    print_rows(
        [
            {
                "score": str(each.score_id),
                "from": each.part.value,
                "verdict": each.verdict.value,
                "difference": None
                if each.difference is None
                else f"{each.difference:+.3g}"
                if each.difference
                else "0",
                "why": each.why,
            }
            for each in found
        ],
        none="Nothing was replayed.",
    )
    click.echo(
        f"{counts['scores']:,} scores: {counts['alarming']:,} differ though their inputs are the same, {counts['corrected']:,} because the "
        f"source was corrected since, {counts['not_replayable']:,} could not be replayed in part."
    )


@click.command()
@click.argument("job", metavar="JOB", required=False)
@click.option("--model", "model_version", metavar="V", help="Scores of this model version.")
@click.option("--job-version", metavar="X", help="Scores of this version of the job.")
@click.option(
    "--between",
    type=Moment(),
    nargs=2,
    metavar="A B",
    help="Scores written from A on and before B, such as 2025-06-01T00:00:00Z 2025-06-01T06:00:00Z.",
)
@click.option("--why", help="The reason, kept with the recall and shown with each score.")
@click.option("--dry-run", is_flag=True, help="Say what would be recalled, and recall nothing.")
@click.option("--anyway", is_flag=True, help="Even where that model or job version goes on scoring.")
@click.option("--follow", "recall_id", type=int, metavar="ID", help="Say what has become of recall ID.")
@json_option
@click.pass_obj
def recall(
    settings: Settings,
    job: str | None,
    *,
    model_version: str | None,
    job_version: str | None,
    between: tuple[datetime, datetime] | None,
    why: str | None,
    dry_run: bool,
    anyway: bool,
    recall_id: int | None,
    as_json: bool,
) -> None:
    """Recall scores of JOB that were entered in error.

    Those that fit all of --model, --job-version and --between are marked, taken out of what is current, and asked for anew, in one
    transaction; the ledger keeps them. Needs the role scorer_approver. Exit 1 where none fits.
    """
    from scorer.database.store.replays import Criteria
    from scorer.governance import recall as recalls

    rows = None if as_json else _ROWS_SHOWN
    if recall_id is not None:
        if job or model_version or job_version or between or dry_run or anyway or why:
            raise UserError("--follow stands alone, with the number of a recall: it recalls nothing.")
        _print_recall(
            recalls.follow(recall_id, database=database_of(settings), max_rows=rows),
            as_json=as_json,
        )
        return
    if job is None:
        raise UserError("Name the job whose scores to recall, as in `scorer recall JOB --model V --why TEXT`.")
    if why is None:
        raise UserError("--why is missing: the reason is kept with the recall, and shown with each score.")
    scored_from, scored_until = between or (None, None)
    criteria = Criteria(
        model_version=model_version, job_version=job_version, scored_from=scored_from, scored_until=scored_until
    )
    found = recalls.recall(
        job,
        criteria,
        why=why,
        database=database_of(settings),
        anyway=anyway,
        kept=not dry_run,
        max_rows=rows,
    )
    if not dry_run:
        _take_back(settings, job)
        found = recalls.follow(found.event["recall_id"], database=database_of(settings), max_rows=rows)
    _print_recall(found, as_json=as_json, dry_run=dry_run)


def _take_back(settings: Settings, name: str) -> None:
    """Empty the hospital's rows at once, where this login may; else the service does it."""
    from scorer.governance import recall as recalls
    from scorer.jobs.job import job_names, load_job

    if name in job_names(settings.jobs_dir):
        recalls.take_back(load_job(name, jobs_dir=settings.jobs_dir), database=database_of(settings))


def _print_recall(found: Any, *, as_json: bool, dry_run: bool = False) -> None:
    event = found.event
    if as_json:
        told = found.as_json()
        print_json({**told, "recall_id": None, "dry_run": True} if dry_run else told)
        return
    counts = f"{event['scores']:,} scores and {event['shadow_scores']:,} shadow scores"
    if dry_run:
        click.echo(f"Dry run: {counts} of {event['job']} would be recalled, {event['entities']:,} of them current.")
    else:
        click.echo(
            f"Recall {event['recall_id']} of {event['job']} by {event['done_by']}: {counts}, {event['entities']:,} of them current. "
            f"{event['why']}"
        )
    print_rows(found.counts, none="No score that stands is among them.")
    shown = [row for row in found.entities if row["changes_band"] is not False]
    if event["entities"]:
        print_rows(shown, none="Nobody's band changes.")
    if found.unsettled > len(shown):
        click.echo(f"{len(shown)} of {found.unsettled:,} are shown; reporting.recalls has all.")
    if dry_run:
        return
    if found.waiting:
        click.echo(
            f"{found.waiting:,} wait to be scored again, by the service within moments or by `scorer run {event['job']}`; "
            f"then: scorer recall --follow {event['recall_id']}"
        )
    if found.in_source:
        click.echo(
            f"{found.in_source:,} rows of the job's own table are still to be put right; the service does that within moments, "
            f"as `scorer run {event['job']}` does."
        )
    if event["in_force"]:
        click.echo("That version goes on scoring: the replacements are of the same kind.")

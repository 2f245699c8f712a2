"""The commands that account for past scores: explain one, make them again, recall them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import Moment, database_of, json_option, opened_session
from scorer.cli.output import print_json, print_rows, print_table, progress_bar, shown_number, shown_time
from scorer.config import Settings
from scorer.errors import UserError

if TYPE_CHECKING:
    from scorer.database.store.replays import Criteria, Recall, Replayed

_ROWS_SHOWN = 20  # entities of a recall in a table; --json and reporting.recalls have all
_NO_FEATURE = {"others": "all others", "bias": "before any feature"}  # reasons that are of no one feature


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

    The features that contribute most, with value, contribution (of a probability in log-odds, of a value in its own unit) and the
    observation that each comes from, then all others together and the bias: they add up to the score. As stored with the score; where no
    reasons were stored, as its model gives them now.
    """
    from scorer.governance.explain import explain as explained
    from scorer.jobs.job import load_job

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    found = explained(loaded, entity, database=database_of(settings), score_id=score_id, top=top)
    if as_json:
        print_json(found.as_json())
        return
    band = f", {found.risk_band}" if found.risk_band else ""
    label = f"{found.label}, " if found.label else ""
    click.echo(
        f"Score {found.score_id} of {loaded.entity} {entity}: {label}{found.score:.4f}{band}, as of {shown_time(found.as_of)}, by model "
        f"{found.model_version}{', in the shadow' if found.shadow else ''}"
    )
    print_table(
        ["feature", "value", found.reasons_in, "comes from", "observation", "of", "its value"],
        [
            [
                each.feature or _NO_FEATURE[each.kind],
                "missing" if each.feature and each.value is None else shown_number(each.value, ".6g"),
                f"{each.contribution:+.3f}",
                f"{each.source} {each.code}" if each.source else each.code or each.attribute,
                each.observation_id,
                each.observation_date,
                shown_number(each.observation_value, ".6g"),
            ]
            for each in found.reasons
        ],
    )
    total = sum(each.contribution for each in found.reasons)
    where = "stored with the score" if found.stored else "made now, of the stored feature vector"
    click.echo(f"They add up to {total:+.3f}, {found.reasons_give}. {where.capitalize()}.")
    if found.note is not None:
        click.echo(f"{found.note[:1].upper()}{found.note[1:]}.")


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
    """A random sample of past scores, by their ids. Raises UserError where there are none."""
    from scorer.database.store.replays import draw_scores

    with opened_session(settings, as_worker=True) as session:
        drawn = draw_scores(session, job=job, since=since, size=size)
    if not drawn:
        raise UserError("No score of the ledger is like that; reporting.score_history has those there are.")
    return drawn


def _print_replays(found: Sequence[Replayed], counts: Mapping[str, int]) -> None:
    """Print a row for each replay, and the counts."""
    print_rows(
        [
            {
                "score": str(each.score_id),
                "from": each.part.value,
                "verdict": each.verdict.value,
                "difference": "0" if each.difference == 0 else shown_number(each.difference, "+.3g"),
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


@dataclass(frozen=True, slots=True)
class _RecallOptions:
    """The options of `scorer recall`."""

    model_version: str | None
    job_version: str | None
    between: tuple[datetime, datetime] | None
    why: str | None
    dry_run: bool
    anyway: bool
    recall_id: int | None
    as_json: bool

    @property
    def names_scores(self) -> bool:
        """Whether any of them says which scores are meant."""
        return bool(self.model_version or self.job_version or self.between)

    def criteria(self) -> Criteria:
        """Which scores are meant."""
        from scorer.database.store.replays import Criteria

        scored_from, scored_until = self.between or (None, None)
        return Criteria(
            model_version=self.model_version,
            job_version=self.job_version,
            scored_from=scored_from,
            scored_until=scored_until,
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
def recall(settings: Settings, /, job: str | None, **given: Any) -> None:
    """Recall scores of JOB that were entered in error.

    Those that fit all of --model, --job-version and --between are marked, taken out of what is current, and asked for anew, in one
    transaction; the ledger keeps them. Needs the role scorer_approver. Exit 1 where none fits.
    """
    options = _RecallOptions(**given)
    if options.recall_id is not None:
        if job or options.why or options.dry_run or options.anyway or options.names_scores:
            raise UserError("--follow stands alone, with the number of a recall: it recalls nothing.")
        _follow(settings, options.recall_id, as_json=options.as_json)
        return
    if job is None:
        raise UserError("Name the job whose scores to recall, as in `scorer recall JOB --model V --why TEXT`.")
    if options.why is None:
        raise UserError("--why is missing: the reason is kept with the recall, and shown with each score.")
    from scorer.governance.recall import recall as recall_scores

    found = recall_scores(
        job,
        options.criteria(),
        why=options.why,
        database=database_of(settings),
        anyway=options.anyway,
        kept=not options.dry_run,
        max_rows=None if options.as_json else _ROWS_SHOWN,
    )
    if options.dry_run:
        _print_recall(found, as_json=options.as_json, dry_run=True)
    else:
        _take_back(settings, job)
        _follow(settings, found.event["recall_id"], as_json=options.as_json)


def _take_back(settings: Settings, name: str) -> None:
    """Empty recalled scores in the job's own table, where this login may; else the service does."""
    from scorer.governance.recall import take_back
    from scorer.jobs.job import job_names, load_job

    if name in job_names(settings.jobs_dir):
        take_back(load_job(name, jobs_dir=settings.jobs_dir), database=database_of(settings))


def _follow(settings: Settings, recall_id: int, *, as_json: bool) -> None:
    """Print what has become of a recall by now."""
    from scorer.governance.recall import follow

    max_rows = None if as_json else _ROWS_SHOWN
    _print_recall(follow(recall_id, database=database_of(settings), max_rows=max_rows), as_json=as_json)


def _print_recall(found: Recall, *, as_json: bool, dry_run: bool = False) -> None:
    """Print which scores are recalled, whose band changes, and what is still to be done."""
    event = found.event
    if as_json:
        content = found.as_json()
        print_json({**content, "recall_id": None, "dry_run": True} if dry_run else content)
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

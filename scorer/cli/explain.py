"""The command that tells why a score is what it is."""

from __future__ import annotations

import click

from scorer.cli.options import database_of, json_option
from scorer.cli.output import print_json, print_table
from scorer.config import Settings


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

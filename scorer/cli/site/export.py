"""The commands that give scores in another program's form: FHIR."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import Moment, database_of, json_option
from scorer.cli.output import print_json
from scorer.config import Settings

if TYPE_CHECKING:
    from scorer.governance.fhir_export import Exported


@click.group("export")
def exports() -> None:
    """Give scores in the form of another program."""


@dataclass(frozen=True, slots=True)
class _FhirOptions:
    """The options of `scorer export fhir`."""

    job: str
    since: datetime | None
    out: Path
    as_json: bool


@exports.command("fhir")
@click.option("--job", metavar="JOB", required=True, help="The job whose scores are exported.")
@click.option(
    "--since",
    type=Moment(),
    help="What was scored or recalled from this moment on: the `until` of the export before. All that is current, where not given.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write: a resource a line (.ndjson). It appears whole or not at all.",
)
@json_option
@click.pass_obj
def export_fhir(settings: Settings, /, **given: Any) -> None:
    """Write scores as FHIR resources: RiskAssessment of R4, a line each.

    Each score comes once, with status final; one that was recalled comes with status entered-in-error. Who has no score has no line. Give
    the `until` that this prints as the next --since, and nothing is missed or told twice. What a line has: sql/fhir.md.
    """
    from scorer.governance.fhir_export import export
    from scorer.jobs.job import load_job

    options = _FhirOptions(**given)
    job = load_job(options.job, jobs_dir=settings.jobs_dir)
    exported = export(job, database=database_of(settings), since=options.since, out=options.out)
    if options.as_json:
        print_json({**exported.as_json(), "out": str(options.out)})
    else:
        _print_exported(exported, out=options.out)


def _print_exported(exported: Exported, *, out: Path) -> None:
    click.echo(f"{out}: {exported.final:,} scores of {exported.job}, and {exported.recalled:,} recalled ones.")
    for lacking, scores in exported.lacking.items():
        click.echo(f"{scores:,} scores have no resource: {_WHY.get(lacking, f'their {lacking} is not known')}.")
    click.echo(f"Until {exported.until.isoformat()}; go on from there with --since {exported.until.isoformat()}")


_WHY = {
    "[fhir]": "they were made by a version of the job that has no [fhir]",
    "job_version": "the version of the job that made them has left with the ledger's old months",
}

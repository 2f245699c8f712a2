"""The commands about flags: what a job publishes, writes back and explains, and a site's own switches."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import json_option, opened_session
from scorer.cli.output import print_json, print_rows
from scorer.config import Settings
from scorer.errors import UserError
from scorer.types.flags import in_words

if TYPE_CHECKING:
    from scorer.jobs.job import Job

_flag = click.argument("flag", metavar="FLAG")
_why = click.option("--why", required=True, help="The reason, kept with who did it and when.")


@click.group(name="flag")
def flags() -> None:
    """Switches with a share, facilities and a history."""


@flags.command(name="list")
@click.argument("flag", metavar="[FLAG]", required=False)
@click.option("--history", is_flag=True, help="Every change, with who made it, when and why.")
@json_option
@click.pass_obj
def list_flags(settings: Settings, *, flag: str | None, history: bool, as_json: bool) -> None:
    """List the flags that are set, or one of them.

    A job has three, which are on where they are not set: JOB.scores (off: it scores in the shadow, and publishes nothing), JOB.write_back
    (off: nothing new is written into the hospital's table), JOB.reasons (off: no reasons are made). Any other name is a site's own, for its
    own SQL: scorer.is_enabled(flag, entity_id, facility).
    """
    from scorer.database.access import flags as store

    with opened_session(settings, as_worker=False) as session:
        rows = store.list_flags(session, flag=flag, history=history)
    if as_json:
        print_json({"flags": rows})
    else:
        shown = [{**_told(row), "at": row["at"], "by": row["actor"], "why": row["reason"]} for row in rows]
        print_rows(shown, none="No flag is set: every job scores, writes back and gives its reasons.")


@flags.command(name="set")
@_flag
@click.argument("state", metavar="on|off", type=click.Choice(["on", "off"]))
@click.option("--share", metavar="PERCENT", help="On for this share of the entities: the same ones for ever.")
@click.option(
    "--facility",
    "facilities",
    metavar="NAME",
    multiple=True,
    help="On for entities of this facility; again: of several.",
)
@_why
@click.pass_obj
def set_flag(
    settings: Settings, flag: str, *, state: str, share: str | None, facilities: tuple[str, ...], why: str
) -> None:
    """Set a flag on or off.

    On for everyone, for a share of the entities, for those of some facilities, or for a share of theirs. An entity that is in at 10 per
    cent is in at 20. The next batch reads it. For a login with the role scorer_approver.
    """
    from scorer.database.access import flags as store

    _require_facility(flag, facilities, settings=settings)
    with opened_session(settings, as_worker=False) as session:
        changed = store.set_flag(
            session, flag, enabled=state == "on", share=_percent(share), facilities=facilities or None, why=why
        )
        (row,) = store.list_flags(session, flag=flag)
    click.echo(f"Flag {flag} {'is' if changed else 'was already'} {_told(row)['set to']}.{_meaning(flag, state)}")


@flags.command(name="clear")
@_flag
@_why
@click.pass_obj
def clear_flag(settings: Settings, flag: str, *, why: str) -> None:
    """Clear a flag, as if it had never been set.

    One of a job is on again, one of the site's own is one that nobody knows. Its history stays. For a login with the role scorer_approver.
    """
    from scorer.database.access import flags as store

    with opened_session(settings, as_worker=False) as session:
        store.clear_flag(session, flag, why=why)
    click.echo(f"Flag {flag} is cleared.")


@flags.command(name="check")
@_flag
@click.option("--entity", "entity_id", metavar="ENTITY", help="The entity, as the job names it.")
@click.option("--facility", metavar="NAME", help="The facility that it belongs to.")
@json_option
@click.pass_obj
def check_flag(settings: Settings, flag: str, *, entity_id: str | None, facility: str | None, as_json: bool) -> None:
    """Say whether a flag is on for an entity, and why."""
    from scorer.database.access import flags as store

    with opened_session(settings, as_worker=False) as session:
        checked = store.check_flag(session, flag, entity_id=entity_id, facility=facility)
    why = _why_so(checked.setting, entity_id=entity_id, facility=facility, bucket=checked.bucket)
    if as_json:
        print_json({"flag": flag, "on": checked.is_on, "why": why})
    else:
        click.echo(f"{'on' if checked.is_on else 'off'}: {why}")


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A flag, and what it is set to in words."""
    if row["action"] == "clear":
        return {"flag": row["flag"], "set to": "cleared"}
    return {"flag": row["flag"], "set to": in_words(row)}


def _why_so(
    setting: Mapping[str, Any] | None, *, entity_id: str | None, facility: str | None, bucket: int | None
) -> str:
    """Why a flag is on or off for an entity."""
    if setting is None:
        return "it is not set, and a job's flag that is not set is on"
    parts = [f"it is set {in_words(setting)}"]
    if setting["enabled"] and "facilities" in setting:
        parts.append(f"the entity's facility is {facility}" if facility else "no facility was named")
    if setting["enabled"] and "share" in setting:
        parts.append(
            "no entity was named" if bucket is None else f"entity {entity_id} is in from {(bucket + 1) / 10_000:g} %"
        )
    return "; ".join(parts)


def _meaning(flag: str, state: str) -> str:
    """What to know of a flag that was switched, as sentences after the first."""
    if state == "on":
        return ""
    switch = flag.rpartition(".")[2]
    return {
        "scores": " Its entities are scored in the shadow; what was published of them is taken back by the next run.",
        "write_back": " What the hospital's table holds stays as it was written; newer scores wait until it is on.",
    }.get(switch, "")


def _percent(share: str | None) -> Decimal | None:
    """The share in per cent. Raises UserError where it is no number."""
    if share is None:
        return None
    try:
        found = Decimal(share.removesuffix("%"))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise UserError(f'"{share}" is not a share; write it in per cent, as 12.5.')
    return found


def _require_facility(flag: str, facilities: tuple[str, ...], *, settings: Settings) -> None:
    """Raises UserError where a flag of a job is to name facilities, and the job publishes none."""
    from scorer.jobs.job import job_names, load_job

    name = flag.rpartition(".")[0]
    if not facilities or name not in job_names(settings.jobs_dir):
        return
    job: Job = load_job(name, jobs_dir=settings.jobs_dir)
    if job.features.facility_attribute not in job.published:
        raise UserError(
            f"Job {name} publishes no facility, so that no entity of it would be in any; name the attribute "
            f"{job.features.facility_attribute} under published in its job.toml first."
        )

"""The commands about who sees which facility."""

from __future__ import annotations

import click

from scorer.cli.options import json_option, opened_session
from scorer.cli.output import print_json, print_rows
from scorer.config import Settings
from scorer.errors import UserError

_login = click.argument("login", metavar="LOGIN")
_facilities = click.argument("facilities", metavar="[F]...", nargs=-1)
_job = click.option("--job", metavar="JOB", help="Of this job alone; without it, of all that publish a facility.")


@click.group()
def facility() -> None:
    """Who sees which facility.

    A job whose `published` names its facility shows a login the rows of the facilities granted to it, and nothing else.
    """


@facility.command()
@_login
@_facilities
@click.option("--all", "every", is_flag=True, help="Every facility, and entities of none.")
@_job
@click.option("--new", "is_new", is_flag=True, help="Even a facility that nothing is of yet.")
@click.pass_obj
def grant(
    settings: Settings, login: str, *, facilities: tuple[str, ...], every: bool, job: str | None, is_new: bool
) -> None:
    """Have LOGIN see the rows of facilities F.

    LOGIN may be a role whose members are meant. Needs the role scorer_approver, or the owner's. Exit 1 where there is no such login, or
    nothing is of a facility.
    """
    from scorer.database.access.facilities import grant_facilities

    named = _named(facilities)
    if every == bool(named):
        raise UserError("Name the facilities to grant, or say --all; one of them.")
    with opened_session(settings, as_worker=False) as session:
        granted = grant_facilities(session, login, facilities=None if every else named, job=job, is_new=is_new)
    what = "all facilities" if every else ", ".join(named)
    click.echo(f"Login {login} sees {what} of {job or 'all jobs'}{'' if granted else ', as before'}.")


@facility.command()
@_login
@_facilities
@click.option("--all", "every", is_flag=True, help="The right to see every facility; single ones stay.")
@_job
@click.pass_obj
def revoke(settings: Settings, login: str, *, facilities: tuple[str, ...], every: bool, job: str | None) -> None:
    """Take facilities F from LOGIN again.

    Without F and --all, all that was granted to it. Needs the role scorer_approver, or the owner's. Exit 1 where it was not granted.
    """
    from scorer.database.access.facilities import revoke_facilities

    named = _named(facilities)
    if every and named:
        raise UserError("Name the facilities to revoke, or say --all; not both.")
    with opened_session(settings, as_worker=False) as session:
        revoked = revoke_facilities(session, login, facilities=named or None, every=every, job=job)
    click.echo(f"Revoked from {login}: {revoked} grant{'' if revoked == 1 else 's'}.")


@facility.command(name="list")
@json_option
@click.pass_obj
def list_granted(settings: Settings, *, as_json: bool) -> None:
    """List who sees which facility, and who granted it.

    A login that may not see all sees what is granted to itself.
    """
    from scorer.database.access.facilities import list_facilities

    with opened_session(settings, as_worker=False) as session:
        rows = list_facilities(session)
    if as_json:
        print_json({"grants": rows})
    else:
        print_rows(rows, none="No facility is granted to anybody.")


def _named(facilities: tuple[str, ...]) -> tuple[str, ...]:
    """The facilities as named, each once. Raises UserError where one is blank."""
    if any(not each.strip() for each in facilities):
        raise UserError("A facility without a name cannot be granted; entities of none are seen by who sees all.")
    return tuple(dict.fromkeys(facilities))

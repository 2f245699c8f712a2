"""The command for quotas: how many requests a role may make a minute."""

from __future__ import annotations

import click

from scorer.cli.options import json_option, opened_session
from scorer.cli.output import print_json, print_rows
from scorer.config import Settings
from scorer.errors import UserError


@click.command()
@click.argument("role", metavar="[ROLE]", required=False)
@click.option(
    "--per-minute", type=click.IntRange(min=0, max=1_000_000), help="Requests within any 60 seconds, for each login."
)
@click.option("--default", "as_default", is_flag=True, help="Take ROLE's own quota away.")
@json_option
@click.pass_obj
def quota(settings: Settings, role: str | None, *, per_minute: int | None, as_default: bool, as_json: bool) -> None:
    """Show or set how many requests a role may make a minute.

    ROLE is a login, or a role that logins are members of: a login's own quota counts, else the highest of its roles, else that of
    scorer_requester, which is 10. A request counts once, of one entity or of a cohort; members of scorer_worker have no quota. To set one
    is for members of scorer_approver.
    """
    from scorer.database.store.requests import list_quotas, set_quota

    setting = per_minute is not None or as_default
    if (per_minute is not None and as_default) or setting != (role is not None):
        raise UserError("Say ROLE with --per-minute N or with --default, or nothing, to see all quotas.")
    with opened_session(settings, as_worker=False) as session:
        if role is not None:
            set_quota(session, role, per_minute=per_minute)
        quotas = list_quotas(session)
    if as_json:
        print_json({"quotas": quotas})
    else:
        print_rows(quotas, none="No role has a quota of its own.")

"""The data folder of the embedded server: made by initdb, with its defaults and who may connect."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from scorer.database.embedded.account import Account
from scorer.database.embedded.installs import Install
from scorer.database.embedded.process import last_words
from scorer.errors import UserError

NAME = "scorer"  # of the database, and of the superuser that owns it

# Written once into postgresql.conf, where an operator may change them.
_DEFAULTS = {
    "search_path": "public",  # "$user" would be our own schema
    "shared_buffers": "256MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

_ACCESS = f"local all {NAME} peer map={NAME}\nlocal all all scram-sha-256\n"


def make_data(folder: Path, install: Install, *, programs: Path, account: Account, durable: bool) -> None:
    """Make the data of `install` in `folder`, under another name until they are whole.

    `programs` is where the account can run its programs; not `durable` data are not flushed to the disk. Raises UserError
    where initdb fails.
    """
    unfinished = folder / f"{install.major}.new"
    options = f"-U {NAME} -A reject -E UTF8 --data-checksums --no-instructions {'' if durable else '--no-sync'}".split()
    for locale in ("C.UTF-8", "C"):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        os.chown(unfinished, account.uid, account.gid)
        made = account.run(programs / "initdb", "-D", unfinished, f"--locale={locale}", *options)
        if made.returncode == 0:
            break
    else:
        raise UserError(f"initdb could not make {unfinished}: {last_words(made.stderr)}.")
    caller = pwd.getpwuid(os.geteuid()).pw_name
    people = "".join(f'{NAME} "{person}" {NAME}\n' for person in sorted({"root", caller}))
    defaults = "".join(f"{name} = '{value}'\n" for name, value in _DEFAULTS.items())
    # As the account, because root would follow a link that the account may have laid there.
    account.run("tee", unfinished / "pg_hba.conf", text=_ACCESS).check_returncode()
    account.run("tee", unfinished / "pg_ident.conf", text=people).check_returncode()
    account.run("tee", "-a", unfinished / "postgresql.conf", text=defaults).check_returncode()
    unfinished.rename(folder / str(install.major))

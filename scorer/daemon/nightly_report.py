"""The report of each night: written into report_dir once the night's chores are done, and old ones removed.

Each host that has such a folder writes its own. The report's own file says that a night is done; one that failed is not tried again before
the next night, or the next start.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.log import events
from scorer.log.logger import say
from scorer.monitoring.report.conduct import report
from scorer.monitoring.report.files import nightly_file, nightly_files, remove_old, write_file

_log = logging.getLogger(__name__)
_A_DAY = timedelta(days=1)
_FOLDER_MODE = 0o750


class NightlyReport:
    """Writes the report of a night where none is there yet."""

    def __init__(self) -> None:
        self._tried: datetime | None = None

    def is_due(self, night: datetime, *, began: datetime, settings: Settings) -> bool:
        """Whether the report of this night is still to be written; nights before the first one's daemon began have none."""
        folder = settings.report_dir
        if folder is None or self._tried == night:
            return False
        written = nightly_files(folder)
        day = (night - _A_DAY).date()
        return day not in written and (night >= began or bool(written))

    def write(self, night: datetime, *, database: Database) -> None:
        """Write it, about the seven days before the night's own, and remove those that are kept no longer."""
        settings = database.settings
        assert settings.report_dir is not None
        self._tried = night
        day = (night - _A_DAY).date()
        try:
            settings.report_dir.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            made = report(database, last_day=day)
            path = nightly_file(settings.report_dir, day)
            write_file(path, made.page)
            removed = remove_old(settings.report_dir, day=day, keep=settings.report_keep)
        except OSError as error:
            say(_log, events.REPORT_FAILED, error=f"{settings.report_dir} cannot be used: {error.strerror}")
        except UserError as error:
            say(_log, events.REPORT_FAILED, error=str(error))
        else:
            say(_log, events.REPORT_WRITTEN, file=str(path), removed=removed)

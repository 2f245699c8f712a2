"""The report of each night, written into report_dir; old ones are removed.

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
from scorer.monitoring.report.files import make_folder, nightly_file, nightly_files, remove_old, write_file

_log = logging.getLogger(__name__)
_A_DAY = timedelta(days=1)


class NightlyReport:
    """Writes the report of a night where none is there yet."""

    def __init__(self) -> None:
        self._tried: datetime | None = None

    def is_due(self, night: datetime, *, began: datetime, settings: Settings) -> bool:
        """Whether the report of this night is still to be written.

        A night before this daemon `began` has one only where a report was written here before.
        """
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
            make_folder(settings.report_dir)
            made = report(database, last_day=day)
            path = nightly_file(settings.report_dir, day)
            write_file(path, made.page)
            removed = remove_old(settings.report_dir, day=day, keep=settings.report_keep)
        except UserError as error:
            say(_log, events.REPORT_FAILED, error=str(error))
        else:
            say(_log, events.REPORT_WRITTEN, file=str(path), removed=removed)

"""A sentence, then key=value. Ids and counts only: no patient's value, no password.

say(log, logging.INFO, "Run finished", run_id=7, scored=6500)
2026-11-20T18:00:02Z INFO Run finished run_id=7 scored=6500
"""

from __future__ import annotations

import logging
import os
import sys
import time

_SYSLOG_PRIORITY = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}

# A key of the hospital's own may hold a line break, which must not begin an event of its own.
_CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


def say(log: logging.Logger, level: int, sentence: str, **fields: object) -> None:
    """Log `sentence` with `fields`, whose keys are the database's column names."""
    log.log(level, sentence, extra={"fields": fields}, stacklevel=2)


class LineFormatter(logging.Formatter):
    """One event, one line; under systemd with the journal's priority instead of the time."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self.converter = time.gmtime
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        """The line for `record`."""
        fields = getattr(record, "fields", {})
        text = " ".join([record.getMessage(), *(f"{key}={value}" for key, value in fields.items())])
        text = text.translate(_CONTROLS)
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        if self._journal:
            priority = f"<{_SYSLOG_PRIORITY.get(record.levelno, 5)}>"
            return priority + text.replace("\n", f"\n{priority}")
        return f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%SZ')} {record.levelname} {text}"


def configure(*, level: int = logging.INFO) -> None:
    """Send our own events to stderr, and of the libraries' only warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_ours_or_grave)
    handler.setFormatter(LineFormatter(journal="JOURNAL_STREAM" in os.environ))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("scorer").setLevel(level)


def _ours_or_grave(record: logging.LogRecord) -> bool:
    """Whether the record is ours, or a library's warning; Great Expectations sets levels of its own, and warns of what we judge."""
    if record.name.startswith("great_expectations"):
        return record.levelno >= logging.ERROR
    return record.name.startswith("scorer") or record.levelno >= logging.WARNING

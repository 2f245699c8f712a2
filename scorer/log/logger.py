"""The log, in the form that its reader needs: a terminal, the journal, or a collector.

say(_log, events.RUN_SUCCEEDED, run_id=7, scored=6500)
2026-11-20T18:00:02Z INFO Run succeeded run_id=7 scored=6500

In the journal the same is one message with a field for each key (`journalctl RUN_ID=7`), its MESSAGE_ID, and what to do (`-x`).
Fields are ids and counts only: no patient's value, no password.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

from scorer.log import events, journal
from scorer.log.events import Event

_PRIORITY = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
_COLOUR = {
    logging.DEBUG: "2",
    logging.INFO: "32",
    logging.WARNING: "33",
    logging.ERROR: "1;31",
    logging.CRITICAL: "1;37;41",
}

# A key that the hospital chose may hold a line break, which must not look like the beginning of another event.
_CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}

# The texts of these errors are about code. Those of others may quote data: "could not convert string to float: ...".
_ABOUT_CODE = (
    ImportError,
    AttributeError,
    NameError,
    NotImplementedError,
    MemoryError,
    RecursionError,
    ZeroDivisionError,
)

_about: ContextVar[Mapping[str, object]] = ContextVar("_about", default={})  # noqa: B039 - never written to
_log = logging.getLogger(__name__)


def say(log: logging.Logger, event: Event, *, raised: BaseException | None = None, **fields: object) -> None:
    """Log that `event` happened, with `fields`, and with a traceback where an error was `raised`.

    The keys of `fields` are the database's column names.
    """
    extra = {"event": event, "fields": {**_about.get(), **fields}}
    log.log(event.level, event.sentence, extra=extra, exc_info=raised, stacklevel=2)


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Add these fields to every event that this thread logs within the block."""
    before = _about.set({**_about.get(), **fields})
    try:
        yield
    finally:
        _about.reset(before)


def configure(*, level: int = logging.INFO, log_format: str = "auto") -> None:
    """Send our events, and the libraries' warnings, to stderr, or to the journal where stderr leads there.

    `log_format` is the option of that name.
    """
    handler = _handler(sys.stderr, log_format=log_format)
    handler.addFilter(_is_ours_or_warning)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("scorer").setLevel(level)


def read_by_people() -> bool:
    """Whether the log is plain lines, on a terminal or in a file, rather than for journal or collector."""
    return all(isinstance(handler.formatter, LineFormatter) for handler in logging.getLogger().handlers)


def report_thread_bugs() -> None:
    """Have an error that a thread does not catch logged as a bug, instead of printed with all its text."""

    def report(raised: threading.ExceptHookArgs) -> None:
        if raised.exc_value is not None and not isinstance(raised.exc_value, SystemExit):
            name = raised.thread.name if raised.thread else None
            say(_log, events.BUG, raised=raised.exc_value, thread=name)

    threading.excepthook = report


def traceback_of(error: BaseException, *, seen: frozenset[int] = frozenset()) -> str:
    """The traceback of `error` and of its causes, without texts that may quote a patient's values.

    Causes that were `seen`, by id, are left out.
    """
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    seen |= {id(error)}
    lines = []
    if before is not None and id(before) not in seen:
        lines = [traceback_of(before, seen=seen), "", "The above led to the following:", ""]
    if error.__traceback__ is not None:
        lines += ["Traceback (most recent call last):", "".join(traceback.format_tb(error.__traceback__)).rstrip("\n")]
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return "\n".join([*lines, f"{name}: {_discreet(error)}".translate(_CONTROLS)])


def _discreet(error: BaseException) -> str:
    if type(error).__module__.split(".")[0] == "scorer" or isinstance(error, _ABOUT_CODE):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"[Errno {error.errno}] {error.strerror}"
    return "(its text is left out, as it may quote a patient's values)"


class LineFormatter(logging.Formatter):
    """An event as one line: the time (unless the reader adds it), the sentence, then key=value."""

    def __init__(self, *, timed: bool = True, coloured: bool = False) -> None:
        super().__init__()
        self._timed = timed
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        """Format `record` as a line, followed by the lines of its traceback."""
        pairs = [self._in_colour("2", f"{key}=") + _plain(value) for key, value in _fields(record).items()]
        text = " ".join([_plain(record.getMessage()), *pairs])
        if self._timed:
            level = self._in_colour(_COLOUR.get(record.levelno, "0"), record.levelname)
            text = f"{self._in_colour('2', _moment(record))} {level} {text}"
        return text + _traceback(record)

    def _in_colour(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured else text


class JsonFormatter(logging.Formatter):
    """An event as one JSON object on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Format `record` as JSON; fields keep the names that they have in the database."""
        event: Event | None = getattr(record, "event", None)
        content: dict[str, Any] = {
            "time": f"{_moment(record)[:-1]}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "event": event.name if event else None,
            "message_id": event.message_id if event else None,
            "message": record.getMessage(),
            "logger": record.name,
            "code": f"{record.filename}:{record.lineno}",
        }
        content |= {key: _json_value(value) for key, value in _fields(record).items()}
        if found := _traceback(record).lstrip():
            content["traceback"] = found
        return json.dumps({key: value for key, value in content.items() if value is not None or key in _fields(record)})


class _Prioritised(logging.Formatter):
    """Another formatter's lines, each headed by the priority that the journal reads and takes off."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        priority = f"<{_priority(record)}>"
        return priority + self._inner.format(record).replace("\n", f"\n{priority}")


class JournalHandler(logging.StreamHandler[TextIO]):
    """Sends each event to the journal with its fields; to the stream where the journal is out of reach."""

    def emit(self, record: logging.LogRecord) -> None:
        """Send `record` to the journal, else to the stream."""
        try:
            journal.send(journal_fields(record), path=journal.SOCKET)
        except OSError:
            super().emit(record)


def journal_fields(record: logging.LogRecord) -> dict[str, str]:
    """The journal's fields of `record`; MESSAGE is the whole line, so that plain `journalctl` shows all."""
    event: Event | None = getattr(record, "event", None)
    known = {key.upper(): str(value) for key, value in _fields(record).items() if value is not None}
    return known | {
        "MESSAGE": LineFormatter(timed=False).format(record),
        **({"MESSAGE_ID": event.message_id, "EVENT": event.name} if event else {}),
        "PRIORITY": str(_priority(record)),
        "SYSLOG_IDENTIFIER": "scorer",
        "LOGGER": record.name,
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
    }


def _handler(stream: TextIO, *, log_format: str) -> logging.StreamHandler[TextIO]:
    in_journal = _is_journal(stream)
    handler = JournalHandler(stream) if in_journal and log_format == "auto" else logging.StreamHandler(stream)
    formatter: logging.Formatter = JsonFormatter()
    if log_format != "json" or stream.isatty():  # at a terminal reads a person, whatever the service's collector needs
        formatter = LineFormatter(timed=not in_journal, coloured=_wants_colour(stream))
    handler.setFormatter(_Prioritised(formatter) if in_journal else formatter)
    return handler


def _is_journal(stream: TextIO) -> bool:
    try:
        return journal.is_journal(stream.fileno())
    except (OSError, ValueError):  # no file at all, or a closed one
        return False


def _wants_colour(stream: TextIO) -> bool:
    """Whether `stream` is a terminal that shows colours, and NO_COLOR is not set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in {None, "", "dumb"}


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    found: Mapping[str, object] = getattr(record, "fields", {})
    return found


def _plain(value: object) -> str:
    return str(value).translate(_CONTROLS)


def _json_value(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _moment(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))


def _priority(record: logging.LogRecord) -> int:
    return _PRIORITY.get(record.levelno, 5)


def _traceback(record: logging.LogRecord) -> str:
    """The traceback of `record`, on lines of its own; empty where it has none."""
    raised = record.exc_info[1] if record.exc_info else None
    return f"\n{traceback_of(raised)}" if raised is not None else ""


def _is_ours_or_warning(record: logging.LogRecord) -> bool:
    """Whether `record` is ours, or a library's warning.

    Of Great Expectations only errors: it sets levels of its own, and warns of every broken expectation, which suites handle.
    """
    if record.name.startswith("great_expectations"):
        return record.levelno >= logging.ERROR
    return record.name.startswith("scorer") or record.levelno >= logging.WARNING

"""The log in each of its forms: lines, colours on a terminal, JSON, and the journal over a real socket."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import pytest

from scorer.errors import DatabaseUnavailable, UserError
from scorer.log import events, journal
from scorer.log import logger as log
from scorer.log.events import Event
from scorer.log.logger import (
    JsonFormatter,
    LineFormatter,
    about,
    configure,
    read_by_people,
    report_thread_bugs,
    say,
    traceback_of,
)

VALUE = "ZQX-37.2"  # a patient's


@pytest.fixture
def logged() -> Iterator[tuple[logging.Logger, io.StringIO, logging.Handler]]:
    """A log of our own, and what it writes."""
    own, written = logging.getLogger("scorer.test_of_logger"), io.StringIO()
    handler = logging.StreamHandler(written)
    own.addHandler(handler)
    own.propagate = False
    own.setLevel(logging.DEBUG)
    yield own, written, handler
    own.removeHandler(handler)
    own.propagate = True


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Sets up the log of the whole process with a stream as its stderr; what was there before comes back."""
    root, ours = logging.getLogger(), logging.getLogger("scorer")
    before = list(root.handlers), root.level, ours.level

    def set_up(stream: TextIO, **arguments: Any) -> None:
        monkeypatch.setattr(sys, "stderr", stream)
        root.handlers[:] = []  # those of pytest are not to be closed
        configure(**arguments)

    yield set_up
    root.handlers[:], root.level, ours.level = before
    root.manager._clear_cache()  # type: ignore[attr-defined]


def event(level: int = logging.INFO) -> Event:
    return Event("HEARD", "0123456789abcdef0123456789abcdef", "Heard", "It was heard.", level=level)


# Lines


def test_a_line_is_time_level_sentence_and_fields(logged: Any) -> None:
    own, written, handler = logged
    handler.setFormatter(LineFormatter())
    say(own, events.RUN_SUCCEEDED, run_id=7, scored=6500, error=None)
    line = written.getvalue()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO Run succeeded run_id=7 scored=6500 error=None\n", line)


@pytest.mark.parametrize("form", [LineFormatter(), LineFormatter(coloured=True), log._Prioritised(LineFormatter())])
def test_an_event_is_one_line_whatever_its_fields_hold(logged: Any, form: logging.Formatter) -> None:
    own, written, handler = logged
    handler.setFormatter(form)
    say(own, events.RUN_BEGAN, entity_id="a\n<2>Run failed\r\x1b[2J\u2028b\x85c", percent="100%s")
    line = written.getvalue()
    assert len(line.splitlines()) == 1
    bare = re.sub(r"\x1b\[[0-9;]*m", "", line)
    assert r"entity_id=a\n<2>Run failed\r\x1b[2J\u2028b\x85c percent=100%s" in bare


def test_a_record_names_who_said_it(caplog: pytest.LogCaptureFixture) -> None:
    say(logging.getLogger("scorer.somewhere"), events.RUN_BEGAN)
    assert caplog.records[0].funcName == "test_a_record_names_who_said_it"


def test_the_module_says_how_it_is_used(logged: Any) -> None:
    own, written, handler = logged
    handler.setFormatter(LineFormatter())
    example, shown = (log.__doc__ or "").splitlines()[2:4]
    eval(example, {"say": say, "_log": own, "events": events})
    assert written.getvalue().split(maxsplit=1)[1] == shown.split(maxsplit=1)[1] + "\n"


def test_what_is_said_within_has_the_fields_of_what_it_is_about(caplog: pytest.LogCaptureFixture) -> None:
    own = logging.getLogger("scorer.somewhere")
    with about(job="j", run_id=1):
        with about(run_id=2):
            say(own, event(), entity_id="e")
        say(own, event(), run_id=3)
        other = threading.Thread(target=say, args=(own, event()))
        other.start()
        other.join()
    with suppress(KeyError), about(job="j"):
        raise KeyError
    say(own, event())
    assert [vars(record)["fields"] for record in caplog.records] == [
        {"job": "j", "run_id": 2, "entity_id": "e"},
        {"job": "j", "run_id": 3},
        {},
        {},
    ]


# What was raised


class Chained(UserError):
    """One whose text is ours."""


Chained.__module__ = "scorer.somewhere"


def fall(*errors: BaseException) -> None:
    """Raise the last of `errors`, each while the one before is handled."""
    *before, last = errors
    if before:
        try:
            fall(*before)
        except type(before[-1]):
            raise last  # noqa: B904 - its context is what is wanted
    raise last


def raised(*errors: BaseException) -> BaseException:
    """The last of `errors`, as it comes from where it was raised."""
    with pytest.raises(type(errors[-1])) as caught:
        fall(*errors)
    return caught.value


QUOTING = [
    ValueError(f"could not convert string to float: '{VALUE}'"),
    KeyError(VALUE),
    TypeError(f"Invalid value '{VALUE}' for dtype 'float64'"),
    RuntimeError(VALUE),
    AssertionError(VALUE),
    OSError(VALUE),
    json.JSONDecodeError("bad", VALUE, 0),
    UnicodeDecodeError("utf-8", VALUE.encode(), 0, 1, VALUE),
    type("Mine", (Exception,), {"__module__": "scorers.theirs"})(VALUE),
]


@pytest.mark.parametrize("error", QUOTING, ids=lambda error: type(error).__name__)
def test_a_text_that_may_quote_a_patient_is_left_out(error: BaseException) -> None:
    for shown in (traceback_of(raised(error)), traceback_of(raised(error, Chained("It broke.")))):
        assert VALUE not in shown
        assert type(error).__name__ + ": (its text is left out" in shown
        assert 'test_logger.py", line ' in shown
        assert shown.startswith("Traceback (most recent call last):\n")


@pytest.mark.parametrize(
    ("error", "last"),
    [
        (UserError("Job a is not there."), "scorer.errors.UserError: Job a is not there."),
        (AttributeError("no attribute 'x'"), "AttributeError: no attribute 'x'"),
        (ModuleNotFoundError("No module named 'x'"), "ModuleNotFoundError: No module named 'x'"),
        (
            FileNotFoundError(2, "No such file or directory", VALUE),
            "FileNotFoundError: [Errno 2] No such file or directory",
        ),
    ],
)
def test_a_text_about_code_is_shown(error: BaseException, last: str) -> None:
    assert traceback_of(raised(error)).splitlines()[-1] == last


def test_what_led_to_it_is_shown_first_and_once() -> None:
    shown = traceback_of(raised(KeyError("a"), Chained("b"), Chained("c")))
    assert re.findall(r"(?m)^([\w.]+): ", shown) == ["KeyError", "scorer.somewhere.Chained", "scorer.somewhere.Chained"]
    assert shown.count("The above led to the following:") == 2
    apart = raised(KeyError("a"), Chained("b"))
    apart.__cause__ = None  # as `from None` does
    assert "KeyError" not in traceback_of(apart)
    first, second = Chained("1"), Chained("2")
    first.__cause__, second.__cause__ = second, first
    assert traceback_of(first).count("Chained") == 2


def test_a_text_of_several_lines_cannot_pass_for_an_event() -> None:
    assert traceback_of(UserError("a\n<2>Run failed")).splitlines() == [r"scorer.errors.UserError: a\n<2>Run failed"]


def test_every_line_of_a_traceback_has_its_priority(logged: Any) -> None:
    own, written, handler = logged
    handler.setFormatter(log._Prioritised(LineFormatter(timed=False)))
    say(own, events.RUN_FAILED, raised=raised(ValueError(VALUE)), job="j")
    lines = written.getvalue().splitlines()
    assert lines[:2] == ["<3>Run failed job=j", "<3>Traceback (most recent call last):"]
    assert len(lines) > 4
    assert all(line.startswith("<3>") for line in lines)


def test_a_librarys_own_traceback_is_discreet_too(logged: Any) -> None:
    own, written, handler = logged
    handler.setFormatter(LineFormatter())
    try:
        float(VALUE)
    except ValueError:
        own.exception("Job raised")
    assert "ValueError: (its text is left out" in written.getvalue()
    assert VALUE not in written.getvalue()


def test_what_a_thread_raises_is_logged_as_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    def leave() -> None:
        sys.exit(3)

    before = threading.excepthook
    try:
        report_thread_bugs()
        for name, target in (("loop", lambda: float(VALUE)), ("leaving", leave)):
            thread = threading.Thread(target=target, name=name)
            thread.start()
            thread.join()
    finally:
        threading.excepthook = before
    assert [record.getMessage() for record in caplog.records] == [events.BUG.sentence]
    assert vars(caplog.records[0])["fields"] == {"thread": "loop"}
    assert VALUE not in LineFormatter().format(caplog.records[0])


# JSON


def logged_as_json(logged: Any, *arguments: Any, **fields: Any) -> dict[str, Any]:
    own, written, handler = logged
    handler.setFormatter(JsonFormatter())
    say(own, *arguments, **fields)
    (line,) = written.getvalue().splitlines()
    found: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return found


def test_json_is_one_object_with_the_fields_as_they_are(logged: Any) -> None:
    shown = logged_as_json(
        logged, events.RUN_BEGAN, run_id=7, seconds=0.5, error=None, job='a"\n\u2028', home=Path("/h")
    )
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown.pop("time"))
    assert re.fullmatch(r"test_logger\.py:\d+", shown.pop("code"))
    assert shown == {
        "level": "info",
        "event": "RUN_BEGAN",
        "message_id": events.RUN_BEGAN.message_id,
        "message": "Run began",
        "logger": "scorer.test_of_logger",
        "run_id": 7,
        "seconds": 0.5,
        "error": None,
        "job": 'a"\n\u2028',
        "home": "/h",
    }


@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_json_stays_json_with_numbers_that_are_none(logged: Any, number: str) -> None:
    assert logged_as_json(logged, events.RUN_BEGAN, seconds=float(number))["seconds"] == number


def test_json_holds_the_traceback_without_values(logged: Any) -> None:
    shown = logged_as_json(logged, events.BUG, raised=raised(ValueError(VALUE)))
    assert shown["level"] == "critical"
    assert shown["traceback"].startswith("Traceback (most recent call last):\n")
    assert VALUE not in json.dumps(shown)


# Which form


def test_our_events_and_others_warnings_go_to_stderr(configured: Any) -> None:
    written = io.StringIO()
    configured(written)
    say(logging.getLogger("scorer.runs"), events.RUN_BEGAN)
    say(logging.getLogger("scorer.runs"), events.BATCH_COMMITTED)
    logging.getLogger("alembic").info("Theirs")
    logging.getLogger("alembic").warning("Their warning")
    logging.getLogger("great_expectations.validator").warning("What a suite found")
    assert [line.split(maxsplit=1)[1] for line in written.getvalue().splitlines()] == [
        "INFO Run began",
        "WARNING Their warning",
    ]
    assert read_by_people()


class Terminal(io.StringIO):
    """A stream that a person reads."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("log_format", ["auto", "json", "text"])
def test_a_terminal_gets_lines_whatever_the_service_writes(configured: Any, log_format: str) -> None:
    written = Terminal()
    configured(written, log_format=log_format)
    say(logging.getLogger("scorer.runs"), events.RUN_BEGAN)
    assert "Run began" in written.getvalue()
    assert not written.getvalue().startswith("{")
    assert read_by_people()


def test_json_on_request(configured: Any) -> None:
    written = io.StringIO()
    configured(written, log_format="json", level=logging.DEBUG)
    say(logging.getLogger("scorer.runs"), events.BATCH_COMMITTED, batch=1)
    logging.getLogger("alembic").warning("Their %s", "warning")
    ours, theirs = (json.loads(line) for line in written.getvalue().splitlines())
    assert (ours["message"], ours["batch"]) == ("Batch committed", 1)
    assert (theirs["message"], theirs["logger"], "event" in theirs) == ("Their warning", "alembic", False)
    assert not read_by_people()


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": ""}, False),
    ],
)
def test_a_terminal_is_coloured_unless_it_may_not_be(
    environment: dict[str, str], coloured: bool, configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        configured(terminal)
        say(logging.getLogger("scorer.runs"), events.RUN_FAILED, job="j")
        shown = os.read(ours, 4096).decode()
    os.close(ours)
    assert ("\x1b[1;31mERROR\x1b[0m" in shown) == coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", shown).rstrip().endswith(" ERROR Run failed job=j")


def test_a_pipe_is_not_coloured(configured: Any, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+") as file:
        configured(file)
        say(logging.getLogger("scorer.runs"), events.RUN_FAILED)
        file.seek(0)
        assert "\x1b" not in file.read()


# The journal


@pytest.fixture
def stderr_in_journal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TextIO]:
    """A stream that systemd says is the journal's."""
    with (tmp_path / "stderr").open("w+") as file:
        found = os.fstat(file.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{found.st_dev}:{found.st_ino}")
        yield file


def written_to(file: TextIO) -> str:
    file.seek(0)
    return file.read()


def test_an_event_is_a_message_with_its_fields(journald: Any, configured: Any, stderr_in_journal: TextIO) -> None:
    configured(stderr_in_journal)
    say(logging.getLogger("scorer.runs"), events.RUN_FAILED, run_id=7, job="j", as_of=None, error="a\nMESSAGE=b\n")
    line = sys._getframe().f_lineno - 1
    assert journald.message() == {
        "MESSAGE": r"Run failed run_id=7 job=j as_of=None error=a\nMESSAGE=b\n",
        "MESSAGE_ID": events.RUN_FAILED.message_id,
        "EVENT": "RUN_FAILED",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "scorer",
        "LOGGER": "scorer.runs",
        "CODE_FILE": __file__,
        "CODE_LINE": str(line),
        "CODE_FUNC": "test_an_event_is_a_message_with_its_fields",
        "RUN_ID": "7",
        "JOB": "j",
        "ERROR": "a\nMESSAGE=b\n",
    }
    assert written_to(stderr_in_journal) == ""
    assert not read_by_people()


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, 7), (logging.INFO, 6), (logging.WARNING, 4), (logging.ERROR, 3), (logging.CRITICAL, 2)],
)
def test_each_level_has_its_priority(
    level: int, priority: int, journald: Any, configured: Any, stderr_in_journal: TextIO
) -> None:
    configured(stderr_in_journal, level=logging.DEBUG)
    say(logging.getLogger("scorer.runs"), event(level))
    assert journald.message()["PRIORITY"] == str(priority)


def test_a_librarys_warning_is_a_message_too(journald: Any, configured: Any, stderr_in_journal: TextIO) -> None:
    configured(stderr_in_journal)
    logging.getLogger("alembic").warning("Their %s", "warning")
    shown = journald.message()
    assert (shown["MESSAGE"], shown["PRIORITY"], shown["LOGGER"]) == ("Their warning", "4", "alembic")
    assert not {"MESSAGE_ID", "EVENT"} & set(shown)


def test_a_bug_in_the_journal_is_one_message(journald: Any, configured: Any, stderr_in_journal: TextIO) -> None:
    configured(stderr_in_journal)
    say(logging.getLogger("scorer.cli"), events.BUG, raised=raised(ValueError(VALUE)), version="1")
    shown = journald.message()
    assert shown["MESSAGE"].startswith("This is a bug in scorer version=1\nTraceback (most recent call last):\n  File ")
    assert VALUE not in str(shown)


@pytest.mark.parametrize("there", ["nothing", "nothing that listens", "no folder"])
def test_without_a_journal_the_lines_go_to_stderr_with_their_priority(
    there: str, configured: Any, stderr_in_journal: TextIO, journald: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    journald.socket.close()
    if there == "nothing":
        journald.path.unlink()
    elif there == "no folder":
        monkeypatch.setattr(journal, "SOCKET", journald.path / "deeper")
    configured(stderr_in_journal)
    say(logging.getLogger("scorer.runs"), events.RUN_FAILED, run_id=7)
    assert written_to(stderr_in_journal) == "<3>Run failed run_id=7\n"


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_another_form_on_request_keeps_its_priority(
    log_format: str, configured: Any, stderr_in_journal: TextIO, journald: Any
) -> None:
    configured(stderr_in_journal, log_format=log_format)
    say(logging.getLogger("scorer.runs"), events.RUN_FAILED, run_id=7)
    shown = written_to(stderr_in_journal)
    assert shown.startswith("<3>")
    if log_format == "json":
        assert json.loads(shown.removeprefix("<3>"))["run_id"] == 7
    else:
        assert shown == "<3>Run failed run_id=7\n"
    assert not read_by_people()


# The command line


def scorer(*arguments: str, program: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, with a database that is not there."""
    code = f"from scorer.cli.main import main\n{program}\nmain()"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SCORER_", "JOURNAL_"))}
    settings = {"SCORER_CONFIG": os.devnull, "SCORER_DATABASE_URL": "postgresql:///none?host=/nowhere"}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=kept | settings | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_refusal_is_an_event_for_a_collector_and_a_sentence_for_people() -> None:
    for_people = scorer("run", "nowhere")
    assert (for_people.returncode, for_people.stdout) == (1, "")
    assert for_people.stderr.startswith('scorer: There is no job "nowhere"')
    collected = scorer("run", "nowhere", SCORER_LOG_FORMAT="json")
    assert (collected.returncode, collected.stdout) == (1, "")
    shown = json.loads(collected.stderr)
    assert (shown["event"], f"scorer: {shown['error']}\n") == ("REFUSED", for_people.stderr)


def test_settings_that_cannot_be_read_are_reported_although_they_choose_the_form() -> None:
    done = scorer("run", "nowhere", SCORER_LOG_FORMAT="xml")
    assert (done.returncode, done.stderr) == (1, 'scorer: SCORER_LOG_FORMAT: "xml" is not one of auto, json, text.\n')


@pytest.mark.parametrize("log_format", ["auto", "json"])
def test_a_bug_is_reported_without_what_it_quotes(log_format: str) -> None:
    program = (
        f"import scorer.jobs.job\ndef broken(*_, **__):\n    return float('{VALUE}')\nscorer.jobs.job.load_job = broken"
    )
    done = scorer("run", "nowhere", program=program, SCORER_LOG_FORMAT=log_format)
    assert (done.returncode, done.stdout) == (70, "")
    assert VALUE not in done.stderr
    assert "ValueError: (its text is left out" in done.stderr
    if log_format == "json":
        assert json.loads(done.stderr)["event"] == "BUG"
    else:
        assert done.stderr.splitlines()[-1].startswith("scorer: this is a bug in scorer ")


def test_a_database_that_is_away_is_no_bug() -> None:
    assert "scorer.errors.DatabaseUnavailable: away" in traceback_of(DatabaseUnavailable("away"))

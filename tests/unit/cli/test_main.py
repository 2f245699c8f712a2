"""Exit codes, and what is said with each: done, the operator's to correct, a bug, interrupted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

import click
import pytest

from scorer.cli import main as module
from scorer.errors import UserError
from scorer.log import logger

Program = Callable[..., tuple[int, str, str]]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Program]:
    """Runs `scorer`; its exit code, and what it printed on stdout and stderr."""
    handlers = list(logging.getLogger().handlers)
    monkeypatch.setattr(logger, "read_by_people", lambda: True)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            module.main(arguments)
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    yield run
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException | int | None], None]:
    """Has `scorer status` raise something, or return it."""

    def have(outcome: BaseException | int | None) -> None:
        @click.command(name="status")
        def command() -> int | None:
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setitem(module.cli.commands, "status", command)

    return have


def test_done(program: Program, status: Callable[[object], None]) -> None:
    status(None)
    assert program("status") == (0, "", "")


def test_what_the_operator_can_correct_is_one_sentence(program: Program, status: Callable[[object], None]) -> None:
    status(UserError("The disk is full; make room."))
    assert program("status") == (1, "", "scorer: The disk is full; make room.\n")


def test_a_bug_is_a_traceback_and_a_request(program: Program, status: Callable[[object], None]) -> None:
    status(ZeroDivisionError("division by zero"))
    code, out, err = program("status")
    assert (code, out) == (70, "")
    assert err.startswith("Traceback (most recent call last):")
    assert "this is a bug in scorer" in err.splitlines()[-1]


@pytest.mark.parametrize("signal", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption(program: Program, status: Callable[[object], None], signal: BaseException) -> None:
    status(signal)
    code, out, err = program("status")
    assert (code, out) == (130, "")
    assert err.strip() == "scorer: interrupted; what was not committed is rolled back."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["stats"], "No such command 'stats'; did you mean 'status'?"),
        (["run"], "Missing argument 'JOB'; see `scorer run --help`."),
        (["run", "sepsis", "--limit", "0"], "Invalid value for '--limit': 0 is not in the range x>=1; see `scorer run --help`."),
    ],
)  # fmt: skip
def test_wrong_arguments_are_one_sentence(program: Program, arguments: list[str], sentence: str) -> None:
    code, out, err = program(*arguments)
    assert (code, out) == (1, "")
    assert err == f"scorer: {sentence}\n"


def test_no_command_is_the_help(program: Program) -> None:
    code, out, err = program()
    assert (code, out) == (1, "")
    assert err.startswith("Usage: scorer [OPTIONS] COMMAND [ARGS]...")

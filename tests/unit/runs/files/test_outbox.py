"""A delivery is settled whole or not at all, wherever the process dies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.runs.files.outbox import Outbox, free_name, held


class Died(BaseException):
    """What stands for the end of the process."""


class Place:
    """Two folders with a delivery in hand and its results written."""

    def __init__(self, folder: Path) -> None:
        self.out, self.inbox = folder / "out", folder / "in"
        for each in (self.out, self.inbox / "working", self.inbox / "done"):
            each.mkdir(parents=True)
        self.input = self.inbox / "working" / "a.csv"
        self.input.write_text("input")
        self.outbox = Outbox(self.out)
        self.outbox.make()
        self.outbox.clear()
        (self.outbox.staged / "predictions.csv").write_text("predictions")

    def settle(self) -> None:
        """Settle it."""
        self.outbox.settle(
            moves=[
                (self.outbox.staged / "predictions.csv", self.out / "predictions_a.csv"),
                (self.input, self.inbox / "done" / "a.csv"),
            ],
            notes={self.inbox / "done" / "a.txt": "note"},
            key="ff",
            receipt={"files": "a.csv"},
        )

    def require(self, *, settled: bool) -> None:
        """All of it is there, or none."""
        assert (self.out / "predictions_a.csv").exists() == settled
        assert (self.inbox / "done" / "a.csv").exists() == settled
        assert (self.inbox / "done" / "a.txt").exists() == settled
        assert self.input.exists() != settled
        assert (self.outbox.receipt("ff") == {"files": "a.csv"}) == settled
        assert not self.outbox.has_plan


def dying(after: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What counts the calls of several functions, and dies at the one after so many."""
    left = [after]

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Died
            return function(*arguments, **named)

        return called

    return wrap


STEPS = 40


def test_wherever_the_process_dies_the_next_finds_all_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    for step in range(STEPS):
        place = Place(tmp_path / str(step))
        count = dying(step)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", count(Path.rename))
            patch.setattr(Path, "write_text", count(Path.write_text))
            patch.setattr(os, "fsync", count(os.fsync))
            patch.setattr(os, "unlink", count(os.unlink))
            patch.setattr(os, "rmdir", count(os.rmdir))
            try:
                place.settle()
                died = False
            except Died:
                died = True
        Outbox(place.out).make()
        settled = (place.out / "predictions_a.csv").exists()
        place.require(settled=settled)
        seen.add((died, settled))
    assert seen == {(True, False), (True, True), (False, True)}


def test_whoever_carries_out_a_plan_may_be_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path / "site")
    monkeypatch.chdir(tmp_path / "site")
    place.outbox, place.out, place.inbox, place.input = (
        Outbox(Path("out")),
        Path("out"),
        Path("in"),
        Path("in/working/a.csv"),
    )
    monkeypatch.setattr(place.outbox, "finish", lambda: None)
    place.settle()
    for folder in ("out", "in/working", "in/done"):
        (tmp_path / "other" / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "other")
    Outbox(tmp_path / "site" / "out").make()
    monkeypatch.chdir(tmp_path / "site")
    place.require(settled=True)


def test_a_full_disk_leaves_the_delivery_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space"):
            place.settle()
    place.require(settled=False)
    place.settle()
    place.require(settled=True)


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    forms = [(tmp_path, "predictions_{}.csv"), (tmp_path, "{}.csv.gz")]
    assert free_name("a", forms) == "a"
    (tmp_path / "predictions_a.csv").touch()
    assert free_name("a", forms) == "a-2"
    (tmp_path / "a-2.csv.gz").touch()
    assert free_name("a", forms) == "a-3"


def test_one_process_deals_with_a_folder(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(UserError, match="Another `scorer files` deals with"), held(tmp_path):
        pass
    with held(tmp_path):
        pass

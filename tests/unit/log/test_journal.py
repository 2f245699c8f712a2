"""The journal's own protocol, over a real socket: datagrams, sealed files, and which stream is the journal's."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.log import journal


def test_a_message_is_one_datagram_of_fields(journald: Any) -> None:
    journal.send({"MESSAGE": "Run began", "JOB": "a\nMESSAGE=b"}, path=journald.path)
    assert journald.message() == {"MESSAGE": "Run began", "JOB": "a\nMESSAGE=b"}


def test_what_is_too_long_for_a_datagram_is_a_sealed_file(journald: Any) -> None:
    long = {"MESSAGE": "Run failed", "ERROR": "e" * 3_000_000}
    opened = len(list(Path("/proc/self/fd").iterdir()))
    journal.send(long, path=journald.path)
    assert len(list(Path("/proc/self/fd").iterdir())) == opened
    fields, seals = journald.message_in_file()
    assert fields == long
    wanted = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
    assert seals & wanted == wanted


def test_where_nothing_listens_it_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        journal.send({"MESSAGE": "Run began"}, path=tmp_path / "socket")


def test_the_journals_stream_is_known_from_others(tmp_path: Path) -> None:
    with (tmp_path / "one").open("w") as one, (tmp_path / "two").open("w") as two:
        found = os.fstat(one.fileno())
        ours = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert journal.is_journal(one.fileno(), environment=ours)
        assert not journal.is_journal(two.fileno(), environment=ours)
        for environment in (
            {},
            {"JOURNAL_STREAM": ""},
            {"JOURNAL_STREAM": "8"},
            {"JOURNAL_STREAM": f"0:{found.st_ino}"},
        ):
            assert not journal.is_journal(one.fileno(), environment=environment)
        gone = two.fileno()
    assert not journal.is_journal(gone, environment=ours)


@given(fields=st.dictionaries(st.from_regex("[A-Z][A-Z0-9_]{0,20}", fullmatch=True), st.text()))
def test_any_values_arrive_as_they_are(fields: dict[str, str], read_message: Callable[[bytes], dict[str, str]]) -> None:
    whole = {name: value.encode("utf-8", "backslashreplace").decode() for name, value in fields.items()}
    assert read_message(journal.encode(fields)) == whole

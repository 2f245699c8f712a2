"""tables.toml: what it says of a job's source tables, and each mistake as one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from scorer.errors import UserError
from scorer.jobs.folder.new import make
from scorer.jobs.folder.tables import read_tables
from scorer.jobs.job import Task


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The tables.toml of a new job called readmit."""
    return make("readmit", jobs_dir=tmp_path, task=Task.BINARY).folder / "tables.toml"


def test_the_tables_come_in_the_order_of_the_file(tmp_path: Path, path: Path) -> None:
    clients, events, outcomes = read_tables("readmit", jobs_dir=tmp_path)
    assert (clients.name, clients.parts, clients.key) == ("clients", ("readmit_data", "clients"), ("client_id",))
    assert events.index == ("client_id", "happened_at")
    assert [*events.columns][-1] == "recorded_at"
    assert "recorded_at" not in events.required
    assert (clients.optional, outcomes.optional) == (False, True)


def test_names_that_need_quotes_are_as_in_the_database(tmp_path: Path, path: Path) -> None:
    path.write_text(
        """[Bird]
        table = '"Bird Lab"."Bird ""Book"" 1"'
        key = ["Bird ID"]
        columns = { "Bird ID" = "bigint", "Body Mass (%)" = "double precision", union = "text" }
        """
    )
    (bird,) = read_tables("readmit", jobs_dir=tmp_path)
    assert bird.parts == ("Bird Lab", 'Bird "Book" 1')
    assert [*bird.columns] == ["Bird ID", "Body Mass (%)", "union"]
    assert bird.required == ("Bird ID",)  # without `required`, the key is


FAULTS = {
    "no schema": ('"readmit_data.clients"', '"clients"', "with its schema"),
    "capital letters without quotes": ('"readmit_data.clients"', '"readmit_data.Clients"', "write them as SQL does"),
    "an empty name in quotes": ('"readmit_data.clients"', "'readmit_data.\"\"'", "is not a table with its schema"),
    "a name that is too long": ('client_id = "text"', f'"{"ä" * 32}" = "text"', "takes 1 to 63 bytes"),
    "a file elsewhere": ("[clients]", '["../clients"]', "is not the name of a file"),
    "a type with a statement": (
        'client_id = "text", joined_at',
        'client_id = "text; DROP", joined_at',
        "is not a type",
    ),
    "a key that is no column": ('key = ["client_id"]', 'key = ["id"]', "not among the columns"),
    "a word that means nothing": ("optional = true", "optionall = true", 'did you mean "optional"?'),
    "no TOML": ("[clients]", "[clients", "not valid TOML"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_sentence(tmp_path: Path, path: Path, fault: str) -> None:
    old, new, words = FAULTS[fault]
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError) as raised:
        read_tables("readmit", jobs_dir=tmp_path)
    assert words in str(raised.value)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_job_without_the_file_reads_tables_that_are_there(tmp_path: Path, path: Path) -> None:
    path.unlink()
    with pytest.raises(UserError, match=r"Job readmit has no tables\.toml"):
        read_tables("readmit", jobs_dir=tmp_path)
    path.write_text("")
    with pytest.raises(UserError, match="describes no table"):
        read_tables("readmit", jobs_dir=tmp_path)

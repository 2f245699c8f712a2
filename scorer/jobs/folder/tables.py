"""A job's source tables, as the tables.toml in its folder describes them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scorer.errors import UserError
from scorer.jobs.job import folder_of
from scorer.jobs.toml_table import TomlTable

FILE = "tables.toml"
_TABLE = re.compile(r"""([a-z_][a-z0-9_]*|"(?:[^"]|"")+")\.([a-z_][a-z0-9_]*|"(?:[^"]|"")+")""")
_LONGEST = 63  # bytes of a name in PostgreSQL
_TYPE = re.compile(r"[a-z]+(?: [a-z]+)*(?:\([0-9]+(?:, ?[0-9]+)?\))?")


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table that a file of its `name` fills; `columns` are the file's, with their types in PostgreSQL.

    `table` has its schema before it, as SQL writes them: in double quotes where a name is more than small letters, digits and
    underscores. Columns are named as they are, without quotes. No two rows share the `key`, where there is one. The file must have the
    `required` columns; a folder may lack the file of an `optional` table. `index` are columns by which rows are looked up often.
    """

    name: str
    table: str
    columns: Mapping[str, str]
    required: tuple[str, ...]
    key: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    optional: bool = False

    @property
    def parts(self) -> tuple[str, str]:
        """The table's schema and its own name, without quotes."""
        match = _TABLE.fullmatch(self.table)
        assert match is not None
        schema, name = (each[1:-1].replace('""', '"') if each[0] == '"' else each for each in match.groups())
        return schema, name


def has_tables(name: str, *, jobs_dir: Path | None) -> bool:
    """Whether the job called `name` describes its source tables, so that files of its own fill them."""
    return (folder_of(name, jobs_dir=jobs_dir) / FILE).exists()


def read_tables(name: str, *, jobs_dir: Path | None) -> tuple[SourceTable, ...]:
    """Read the tables.toml of the job called `name`. Returns its tables in the order of the file.

    Raises UserError where the job has none, or it is wrong.
    """
    path = folder_of(name, jobs_dir=jobs_dir) / FILE
    if not path.exists():
        raise UserError(
            f"Job {name} has no {FILE}: its source tables are those of the site, which no command makes or fills; "
            f"describe them in {path}, as the one that `scorer job new` writes."
        )
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}.") from error
    whole = TomlTable(content, where=str(path))
    tables = tuple(_table(each, whole.table(each)) for each in whole.names())
    if not tables:
        raise UserError(f"{path} describes no table; write one as [clients], with its table, columns and required.")
    return tables


def _table(name: str, content: TomlTable) -> SourceTable:
    columns = content.table("columns")
    key = content.texts("key", default=())
    table = SourceTable(
        name=name,
        table=content.text("table"),
        columns={column: columns.text(column) for column in columns.names()},
        required=content.texts("required", default=key),
        key=key,
        index=content.texts("index", default=()),
        optional=content.flag("optional", default=False),
    )
    columns.finish()
    content.finish()
    if not _TABLE.fullmatch(table.table):
        raise UserError(
            f"{content.where}: {table.table} is not a table with its schema; write them as SQL does, such as shop.clients, or "
            """'"My Shop"."Clients"' where a name has more than small letters, digits and underscores."""
        )
    for each in (*table.parts, *table.columns):
        if not each or "\0" in each or len(each.encode()) > _LONGEST:
            raise UserError(f'{content.where}: "{each}" is not a name; it takes 1 to {_LONGEST} bytes.')
    if "/" in name or "\0" in name:
        raise UserError(f'{content.where}: "{name}" is not the name of a file, such as clients for clients.csv.')
    for column, kind in table.columns.items():
        if not _TYPE.fullmatch(kind):
            raise UserError(
                f'{content.where}: "{kind}" is not a type for {column}; write one such as text or timestamptz.'
            )
    for column in (*table.required, *table.key, *table.index):
        if column not in table.columns:
            raise UserError(
                f'{content.where}: "{column}" is not among the columns; there are: {", ".join(table.columns)}.'
            )
    return table

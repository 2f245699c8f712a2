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
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_TYPE = re.compile(r"[a-z]+(?: [a-z]+)*(?:\([0-9]+(?:, ?[0-9]+)?\))?")


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A table that a file of its `name` fills; `columns` are the file's, with their types in PostgreSQL.

    `table` has its schema before it. No two rows share the `key`, where there is one. The file must have the `required` columns; a
    folder may lack the file of an `optional` table. `index` are columns by which rows are looked up often.
    """

    name: str
    table: str
    columns: Mapping[str, str]
    required: tuple[str, ...]
    key: tuple[str, ...] = ()
    index: tuple[str, ...] = ()
    optional: bool = False

    @property
    def schema(self) -> str:
        """The table's schema."""
        return self.table.partition(".")[0]


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
    table = SourceTable(
        name=name,
        table=content.text("table"),
        columns={column: columns.text(column) for column in columns.names()},
        required=content.texts("required"),
        key=content.texts("key", default=()),
        index=content.texts("index", default=()),
        optional=content.flag("optional", default=False),
    )
    columns.finish()
    content.finish()
    schema, _, relation = table.table.partition(".")
    for each in (name, schema, relation, *table.columns):
        if not _NAME.fullmatch(each):
            raise UserError(
                f'{content.where}: "{each or table.table}" is not a name; write small letters, digits and underscores, and a table '
                "with its schema, such as shop.clients."
            )
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

"""Which tables `scorer load` fills, from which files, and the types of their columns in the database.

The tables of the shipped job have statements of their own; those of another are made and filled by statements for any table.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from scorer.config import shipped_root
from scorer.database.source.files.csv_fields import READERS, Column, ColumnType
from scorer.database.source.files.csv_rows import open_lines, read_header
from scorer.database.statements import statement
from scorer.errors import UserError
from scorer.jobs.folder.tables import SourceTable
from scorer.jobs.sql_text import without_comments


@dataclass(frozen=True, slots=True)
class Table:
    """A table of sql/source/tables.toml, or of a job's: then `of_job` says how it is filled.

    `lacks` is the column of tables.toml that it may be without, and is.
    """

    name: str
    file: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    unique: bool
    of_job: SourceTable | None = None
    lacks: str | None = None

    def without(self, column: str) -> Table:
        """The same table, where the database's has no such column."""
        return replace(self, optional=tuple(name for name in self.optional if name != column), lacks=column)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a file may fill, in the order of copying."""
        return self.required + self.optional if self.of_job is None else tuple(self.of_job.columns)

    @property
    def relation(self) -> str:
        """The table's name in the database, with its schema."""
        return f"public.{self.name}" if self.of_job is None else self.of_job.table

    @property
    def key(self) -> str:
        """What two rows may not share where the table is `unique`, in words."""
        return self.required[0] if self.of_job is None else " and ".join(self.of_job.key)


class File(NamedTuple):
    """A file and the table that it fills."""

    path: Path
    table: Table


def source_folder() -> Path:
    """The folder of tables.toml and the statements that fill its tables."""
    return shipped_root() / "sql" / "source"


def source_tables() -> tuple[Table, ...]:
    """The tables of tables.toml, in the order of loading."""
    content = tomllib.loads((source_folder() / "tables.toml").read_text(encoding="utf-8"))
    return tuple(
        Table(
            name=name,
            file=table["file"],
            required=tuple(table["required"]),
            optional=tuple(table["optional"]),
            unique=table["unique"],
        )
        for name, table in content.items()
    )


def tables_of(job_tables: Iterable[SourceTable]) -> tuple[Table, ...]:
    """A job's own tables, in the order of loading."""
    return tuple(
        Table(
            name=table.name,
            file="optional" if table.optional else "required",
            required=table.required,
            optional=tuple(name for name in table.columns if name not in table.required),
            unique=bool(table.key),
            of_job=table,
        )
        for table in job_tables
    )


def lacking_columns(file: File) -> tuple[str, ...]:
    """The columns that the file should have and has not.

    Raises UserError where it cannot be read or has no header.
    """
    with open_lines(file.path) as (lines, _, _):
        names = read_header(lines, required=file.table.required).names
    return tuple(name for name in file.table.required if name not in names)


def tables_for(job_tables: Sequence[SourceTable]) -> tuple[Table, ...]:
    """A job's own tables, or those of the shipped job where it has none."""
    return tables_of(job_tables) if job_tables else source_tables()


def files_in(folder: Path, tables: Iterable[Table]) -> tuple[File, ...]:
    """The files of the folder. Raises UserError where a required one is missing, or one is there twice."""
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name the one that holds the files to load.")
    files = []
    for table in tables:
        plain, packed = folder / f"{table.name}.csv", folder / f"{table.name}.csv.gz"
        if plain.exists() and packed.exists():
            raise UserError(f"{folder} holds both {plain.name} and {packed.name}; take away the one not to be loaded.")
        if plain.exists() or packed.exists():
            files.append(File(plain if plain.exists() else packed, table))
        elif table.file == "required":
            raise UserError(f"{folder} holds neither {plain.name} nor {packed.name}; put one of them there.")
    return tuple(files)


def column_types(rows: Iterable[Any]) -> dict[str, ColumnType]:
    """The types of a table's columns by name, of the rows of sql/source/columns.sql."""
    return {
        name: ColumnType(name=type_name, must_have=must_have, length=length, words=tuple(words or ()))
        for name, type_name, must_have, length, words in rows
    }


def columns_to_fill(
    file: File, header: Sequence[str], types: Mapping[str, ColumnType], *, zone_is_told: bool
) -> tuple[Column, ...]:
    """The columns to fill, in the order of tables.toml. Raises UserError where file or database lack one."""
    table = file.table
    for name in table.columns:
        if header.count(name) > 1:
            raise UserError(f'{file.path}: the header has the column "{name}" twice; take one of them away.')
        if name in table.required and name not in header:
            raise UserError(f'{file.path}: the column "{name}" is missing; add it, or mend its name in the header.')
        if name not in types:
            raise UserError(f'The table {table.relation} has no column "{name}"; add it to the table.')
        if types[name].name not in READERS and not types[name].words:
            raise UserError(
                f'The column "{name}" of {table.relation} is of type {types[name].name}, which no file can fill; '
                f"make it one of {', '.join(READERS)}."
            )
    if not zone_is_told and {"timestamp", "timestamptz"} <= {types[name].name for name in table.columns}:
        raise UserError(
            f"Some columns of {table.relation} have a time zone and some have none; say whose clock those without one show, "
            "such as --timezone Europe/Berlin."
        )
    return tuple(Column(name, header.index(name) if name in header else None, types[name]) for name in table.columns)


# The statements for a job's own tables, from the tables.toml in its folder.

_WITH_PARAMETERS = {
    "compare",
    "refuse_taken",
    "pass_known",
    "update",
}  # in which the driver reads a % as the beginning of one


def making(tables: Sequence[SourceTable]) -> Iterator[str]:
    """The statements that make what is missing of the tables, in order; what is there is left as it is."""
    for schema in dict.fromkeys(table.parts[0] for table in tables):
        yield _filled("make_schema", schema=_quoted(schema))
    for table in tables:
        columns = [f"{_quoted(name)} {kind}" for name, kind in table.columns.items()]
        key = [f"PRIMARY KEY ({_listed(table.key)})"] if table.key else []
        yield _filled("make_table", relation=_relation(table), columns=",\n    ".join([*columns, *key]))
        if table.index:
            name = f"{table.parts[1]}_{'_'.join(table.index)}".encode()[:59].decode(errors="ignore")
            yield _filled(
                "make_index", name=_quoted(f"{name}_idx"), relation=_relation(table), columns=_listed(table.index)
            )


def ddl(tables: Sequence[SourceTable]) -> str:
    """The same as a script."""
    return "\n\n".join(f"{each};" for each in making(tables)) + "\n"


def filling(step: str, table: SourceTable, given: Sequence[str]) -> str:
    """The statement of a step of loading the table from a file that has the columns `given`.

    The steps are stage, copy, compare, refuse_taken, pass_known, update and insert. Without a key a row differs from none: it is there,
    alike in all columns of the file, or it is new.
    """
    named = [name for name in table.columns if name in given]
    filled = [_quoted(name) for name in named]
    same_key = " AND ".join(f"t.{name} = l.{name}" for name in map(_quoted, table.key))
    same_row = " = ".join(f"CAST(ROW({', '.join(f'{side}.{name}' for name in filled)}) AS text)" for side in "tl")
    differences = [
        f"CASE WHEN t.{_quoted(name)} IS DISTINCT FROM l.{_quoted(name)} THEN {_literal(name)} END"
        for name in named
        if same_key
    ]
    places = {
        "relation": _relation(table),
        "staged": _quoted(f"loading_{table.name}".encode()[:63].decode(errors="ignore")),
        "columns": ",\n    ".join(filled if step == "insert" else map(_quoted, table.columns)),
        "key": _listed(table.key),
        "same": same_key or same_row,
        "differences": ",\n    ".join(["NULL", *differences]),
        "changed": ",\n        ".join(f"{name} = l.{name}" for name in filled),
    }
    if step in _WITH_PARAMETERS:
        places = {place: text.replace("%", "%%") for place, text in places.items()}
    return _filled(f"{step}_rows", **places)


def analyzing(tables: Sequence[SourceTable]) -> str:
    """The statement that takes the planner's statistics of the tables."""
    return _filled("analyze_tables", tables=",\n    ".join(_relation(table) for table in tables))


def emptying(tables: Sequence[Table]) -> str:
    """The statement that empties the tables."""
    return _filled("empty_tables", tables=", ".join(_relation_of(table) for table in tables))


def newest_times(table: Table, types: Mapping[str, ColumnType], *, planned: Sequence[str]) -> Iterator[str]:
    """For each of the table's columns of times, the statement that gives the newest one up to now.

    Those that are `planned` are left out.
    """
    for name in table.columns:
        if name in types and types[name].name in _TIMES and name not in planned:
            yield _filled("newest_time", relation=_relation_of(table), moment=_quoted(name))


_TIMES = {"timestamptz", "timestamp", "date"}


def _relation_of(table: Table) -> str:
    return table.relation if table.of_job is None else _relation(table.of_job)


def _relation(table: SourceTable) -> str:
    return ".".join(map(_quoted, table.parts))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(_quoted, names))


def _quoted(name: str) -> str:
    """The name in double quotes, so that it means itself, whatever it is.

    >>> _quoted('Bird "ID" (%)')
    '"Bird ""ID"" (%)"'
    """
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _filled(file: str, **places: str) -> str:
    text = without_comments(statement(f"source/{file}"))
    return re.sub(r"\{(\w+)\}", lambda place: places[place[1]], text)

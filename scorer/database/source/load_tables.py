"""Which tables `scorer load` fills, from which files, and the types of their columns in the database."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from scorer.config import shipped_root
from scorer.database.source.csv_fields import READERS, ColumnType
from scorer.errors import UserError


@dataclass(frozen=True, slots=True)
class Table:
    """A table of sql/source/tables.toml."""

    name: str
    file: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    unique: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a file may fill, in the order of copying."""
        return self.required + self.optional


class File(NamedTuple):
    """A file and the table that it fills."""

    path: Path
    table: Table


class Column(NamedTuple):
    """A column to fill: its place in the file's rows (None: not there), and its type."""

    name: str
    position: int | None
    type: ColumnType


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
            raise UserError(f'The table public.{table.name} has no column "{name}"; add it to the table.')
        if types[name].name not in READERS and not types[name].words:
            raise UserError(
                f'The column "{name}" of public.{table.name} is of type {types[name].name}, which no file can fill; '
                f"make it one of {', '.join(READERS)}."
            )
    if not zone_is_told and {"timestamp", "timestamptz"} <= {types[name].name for name in table.columns}:
        raise UserError(
            f"Some columns of public.{table.name} have a time zone and some have none; say whose clock those without one show, "
            "such as --timezone Europe/Berlin."
        )
    return tuple(Column(name, header.index(name) if name in header else None, types[name]) for name in table.columns)

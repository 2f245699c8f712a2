"""The statements that make and fill a job's source tables, from the tables.toml in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scorer.database.statements import statement, without_comments
from scorer.jobs.tables import SourceTable


def making(tables: Sequence[SourceTable]) -> Iterator[str]:
    """The statements that make what is missing of the tables, in order; what is there is left as it is."""
    for schema in dict.fromkeys(table.schema for table in tables):
        yield _filled("make_schema", schema=schema)
    for table in tables:
        columns = [f"{name} {kind}" for name, kind in table.columns.items()]
        key = [f"PRIMARY KEY ({', '.join(table.key)})"] if table.key else []
        yield _filled("make_table", relation=table.table, columns=",\n    ".join([*columns, *key]))
        if table.index:
            name = f"{table.table.partition('.')[2]}_{'_'.join(table.index)}"[:59]
            yield _filled("make_index", name=f"{name}_idx", relation=table.table, columns=", ".join(table.index))


def ddl(tables: Sequence[SourceTable]) -> str:
    """The same as a script."""
    return "\n\n".join(f"{each};" for each in making(tables)) + "\n"


def filling(step: str, table: SourceTable, given: Sequence[str]) -> str:
    """The statement of a step of loading the table from a file that has the columns `given`.

    The steps are stage, copy, pass_known, refuse_taken and insert.
    """
    columns = [name for name in table.columns if name in given] if step == "insert" else [*table.columns]
    return _filled(
        f"{step}_rows",
        relation=table.table,
        staged=f"loading_{table.name}"[:63],
        columns=",\n    ".join(columns),
        given=", ".join(f"l.{name}" for name in table.columns if name in given),
        theirs=", ".join(f"t.{name}" for name in table.columns if name in given),
        key=", ".join(f"l.{name}" for name in table.key),
        same_key=" AND ".join(f"t.{name} = l.{name}" for name in table.key),
        key_in_words=" and ".join(table.key),
    )


def analyzing(tables: Sequence[SourceTable]) -> str:
    """The statement that takes the planner's statistics of the tables."""
    return _filled("analyze_tables", tables=",\n    ".join(table.table for table in tables))


def _filled(file: str, **places: str) -> str:
    text = without_comments(statement(f"source/{file}"))
    for place, instead in places.items():
        text = text.replace(f"{{{place}}}", instead)
    return text

"""The statements that make a job's source tables, from the tables.toml in its folder."""

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
        yield _filled("make_table", table=table.table, columns=",\n    ".join([*columns, *key]))
        if table.index:
            name = f"{table.table.partition('.')[2]}_{'_'.join(table.index)}"[:59]
            yield _filled("make_index", name=f"{name}_idx", table=table.table, columns=", ".join(table.index))


def ddl(tables: Sequence[SourceTable]) -> str:
    """The same as a script."""
    return "\n\n".join(f"{each};" for each in making(tables)) + "\n"


def _filled(name: str, **places: str) -> str:
    text = without_comments(statement(f"source/{name}"))
    for place, instead in places.items():
        text = text.replace(f"{{{place}}}", instead)
    return text

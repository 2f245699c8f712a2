"""Files of the data sets and of the source tables: packed CSV, the same bytes for the same rows."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a packed CSV file, by the names in its head."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a packed CSV file; None is an empty field."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a packed file of these lines, one by one: they may be more than memory holds."""
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
        packed.writelines(line.encode() for line in lines)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as a packed CSV file; times in UTC."""
    written = table.copy()
    for name in written.columns:
        if isinstance(written[name].dtype, pd.DatetimeTZDtype):
            written[name] = written[name].dt.tz_convert("UTC").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    written.to_csv(path, index=False, compression={"method": "gzip", "compresslevel": 9, "mtime": 0})

"""Reports as files: each appears whole or not at all, and old ones are removed."""

from __future__ import annotations

import re
import tempfile
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

from scorer.errors import UserError

_NAMED = re.compile(r"scorer-report-([0-9]{4}-[0-9]{2}-[0-9]{2})\.html")
_FOLDER_MODE = 0o750
_MODE = 0o640  # what stands in it is for the service's group, and for no one else on the host


def write_file(path: Path, page: str) -> None:
    """Write a page to a file, in the place of one that is there.

    Raises UserError where it cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            path.write_text(page, encoding="utf-8")  # a device or a pipe, which nothing takes the place of
            return
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            written = Path(file.name)
            file.write(page)
        try:
            written.chmod(_MODE)
            written.replace(path)
        except OSError:
            written.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UserError(
            f"The page {path} cannot be written: {error.strerror}; name another file, or make its folder."
        ) from error


def make_folder(folder: Path) -> None:
    """Make a folder for reports where it is missing. Raises UserError where it cannot be made."""
    try:
        folder.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder {folder} cannot be made: {error.strerror}; make it, or name another.") from error


def nightly_file(folder: Path, day: date) -> Path:
    """Where the report is whose last day this is."""
    return folder / f"scorer-report-{day.isoformat()}.html"


def nightly_files(folder: Path) -> dict[date, Path]:
    """The reports that are in a folder, by the last day of each; none where there is no such folder."""
    if not folder.is_dir():
        return {}
    found = {}
    for path in folder.iterdir():
        match = _NAMED.fullmatch(path.name)
        if match is not None:
            with suppress(ValueError):  # of a name that only looks like a day's
                found[date.fromisoformat(match[1])] = path
    return dict(sorted(found.items()))


def remove_old(folder: Path, *, day: date, keep: timedelta) -> int:
    """Remove the reports whose last day is by `keep` or more before `day`. Returns how many."""
    old = [path for of, path in nightly_files(folder).items() if day - of >= keep]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)

"""What differs between two definitions of a job: job.toml, statements, suites, features; pure."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scorer.errors import UserError
from scorer.jobs.features import feature_names, read_features
from scorer.jobs.toml_table import TomlTable


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs from one definition to another.

    `files` gives for each file that differs the lines of a unified diff. Features are those of the matrix, by name; None where one of
    the definitions cannot be read for them.
    """

    files: Mapping[str, tuple[str, ...]]
    features_added: tuple[str, ...] | None
    features_removed: tuple[str, ...] | None

    @property
    def is_nothing(self) -> bool:
        """Whether both define the same."""
        return not self.files


def difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> Difference:
    """Compare two definitions, as the database keeps them of a job version. Returns what differs."""
    files_of_one, files_of_other = dict(_files(one)), dict(_files(other))
    files = {}
    for name in sorted({*files_of_one, *files_of_other}, key=lambda name: (name != "job.toml", name)):
        lines = difflib.unified_diff(
            files_of_one.get(name, "").splitlines(), files_of_other.get(name, "").splitlines(), lineterm="", n=2
        )
        if found := tuple(lines)[2:]:
            files[name] = found
    before, after = _features(one), _features(other)
    known = before is not None and after is not None
    return Difference(
        files=files,
        features_added=tuple(name for name in after or () if name not in (before or ())) if known else None,
        features_removed=tuple(name for name in before or () if name not in (after or ())) if known else None,
    )


def _files(definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The definition as files: their names and texts."""
    yield "job.toml", str(definition.get("job.toml", ""))
    for name, text in (definition.get("statements") or {}).items():
        yield f"{name}.sql", str(text)
    for name, suite in (definition.get("suites") or {}).items():
        yield f"{name}.json", json.dumps(suite, indent=2, sort_keys=True)


def _features(definition: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names of the definition's features; None where this program cannot read them."""
    try:
        content = tomllib.loads(str(definition.get("job.toml", "")))
        return feature_names(read_features(TomlTable(content, where="job.toml").table("features")))
    except (UserError, tomllib.TOMLDecodeError):
        return None

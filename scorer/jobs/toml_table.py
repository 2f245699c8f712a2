"""Reading a TOML table key by key, so that unknown keys are refused and each error names its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from scorer.errors import UserError
from scorer.types.options import parse_span

_Choice = TypeVar("_Choice", bound=StrEnum)


class TomlTable:
    """A TOML table whose keys are taken one by one; `finish` refuses those that are left.

    Every reader raises UserError where its key is missing without a default, or has a value of another kind.
    """

    def __init__(self, content: dict[str, Any], *, where: str) -> None:
        self._left = dict(content)
        self._taken: list[str] = []
        self.where = where

    def names(self) -> tuple[str, ...]:
        """The keys that were not taken yet."""
        return tuple(self._left)

    def take_all(self) -> dict[str, Any]:
        """Take all that is left, unchecked."""
        left, self._left = self._left, {}
        return left

    def finish(self) -> None:
        """Raises UserError where a key is left that was not taken."""
        if self._left:
            unknown = next(iter(self._left))
            nearest = difflib.get_close_matches(unknown, self._taken, n=1)
            hint = f'did you mean "{nearest[0]}"?' if nearest else f"known are: {', '.join(self._taken)}."
            raise UserError(f'{self.where}: unknown key "{unknown}"; {hint}')

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text."""
        value = self._take(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "text", value)
        return value

    def texts(self, key: str, default: Iterable[str] | None = None) -> tuple[str, ...]:
        """Take a list of texts."""
        value = self._take(key, default)
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise self._wrong(key, "a list of texts", value)
        return tuple(value)

    def number(self, key: str, *, default: float | None = None) -> float:
        """Take a number."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number", value)
        return float(value)

    def numbers(self, key: str, default: Iterable[float] | None = None) -> tuple[float, ...]:
        """Take a list of numbers."""
        value = self._take(key, default)
        if not isinstance(value, list | tuple) or not all(
            isinstance(each, int | float) and not isinstance(each, bool) for each in value
        ):
            raise self._wrong(key, "a list of numbers", value)
        return tuple(float(each) for each in value)

    def positive(self, key: str, *, default: int) -> int:
        """Take a whole number above 0."""
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self._wrong(key, "a whole number above 0", value)
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        value = self._take(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def pair(self, key: str) -> tuple[float, float]:
        """Take a list of two numbers, the lower first."""
        value = self._take(key)
        if not (
            isinstance(value, list)
            and len(value) == len(("lower", "upper"))
            and all(isinstance(each, int | float) for each in value)
            and value[0] < value[1]
        ):
            raise self._wrong(key, "a list of two numbers, the lower first", value)
        return float(value[0]), float(value[1])

    def span(self, key: str, *, default: str | None = None) -> timedelta:
        """Take a span of time."""
        return parse_span(self.text(key, default), where=f"{self.where}: {key}")

    def choice(self, key: str, choices: type[_Choice], default: _Choice | None = None) -> _Choice:
        """Take one of the words of `choices`."""
        value = self.text(key, default)
        try:
            return choices(value)
        except ValueError as error:
            raise self._wrong(key, f"one of {', '.join(repr(str(each)) for each in choices)}", value) from error

    def table(self, key: str, *, required: bool = True) -> TomlTable:
        """Take a table; an empty one where it is not `required`. Raises UserError where it is and is missing."""
        found = self.optional_table(key)
        if found is None:
            if required:
                raise UserError(f"{self.where}: [{key}] is missing{self._instead(key) or '.'}")
            return TomlTable({}, where=f"{self.where}: [{key}]")
        return found

    def optional_table(self, key: str) -> TomlTable | None:
        """Take a table; None where it is missing."""
        self._taken.append(key)
        value = self._left.pop(key, None)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._wrong(key, "a table", value)
        return TomlTable(value, where=f"{self.where}: [{key}]")

    def tables(self, key: str) -> list[TomlTable]:
        """Take a list of tables; an empty one where it is missing."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self._wrong(key, "a list of tables", value)
        return [
            TomlTable(each, where=f"{self.where}: [[{key}]] {number}") for number, each in enumerate(value, start=1)
        ]

    def _take(self, key: str, default: Any = None) -> Any:
        self._taken.append(key)
        if key in self._left:
            return self._left.pop(key)
        if default is None:
            hint = self._instead(key) or "; the shipped job.toml says what each key means."
            raise UserError(f'{self.where}: "{key}" is missing{hint}')
        return default

    def _instead(self, key: str) -> str:
        """Words on a key that may be meant for the missing one; empty where none is like it."""
        like = difflib.get_close_matches(key, self._left, n=1)
        return f'; is "{like[0]}" meant for it?' if like else ""

    def _wrong(self, key: str, expected: str, found: Any) -> UserError:
        return UserError(f'{self.where}: "{key}" must be {expected}, not {found!r}.')

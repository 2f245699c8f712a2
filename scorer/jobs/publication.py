"""What a job tells beside a score, or instead of it: its reasons, that the model declines, and what a challenger may publish."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from scorer.errors import UserError
from scorer.jobs.toml_table import TomlTable

_SHARES = 2**64


class Decline(StrEnum):
    """What a model may decline on."""

    UNLIKE = "unlike"  # the inputs are unlike the training data
    EMPTY = "empty"  # the conformal set holds neither class: the score is as rare among the one as among the other
    UNDECIDED = "undecided"  # the conformal set holds both classes


@dataclass(frozen=True, slots=True)
class Reasoning:
    """[reasons]: the bands whose scores are stored with their reasons, and how many features those name."""

    bands: tuple[str, ...] = ()
    top: int = 5

    @classmethod
    def read(cls, table: TomlTable, *, bands: Sequence[str]) -> Reasoning:
        """As job.toml says; the highest of the job's `bands` (highest first), where it does not."""
        named = table.texts("bands", default=bands[:1])
        reasoning = cls(bands=named, top=table.positive("top", default=cls().top))
        table.finish()
        for band in named:
            if band not in bands:
                known = ", ".join(bands) or "none"
                raise UserError(f'{table.where}: "{band}" is no band of the job; its bands are: {known}.')
        return reasoning


@dataclass(frozen=True, slots=True)
class Declining:
    """[declining]: the level of the conformal set, what to decline on, and how much of what is like the training data may be.

    The true class is outside the set for a share of at most `alpha` of each class. `share` bounds the part of the training data that
    would be declined as unlike itself.
    """

    alpha: float = 0.1
    share: float = 0.001
    decline_on: tuple[Decline, ...] = (Decline.UNLIKE,)

    @classmethod
    def read(cls, table: TomlTable) -> Declining:
        """As job.toml says, and the defaults where it does not."""
        plain = cls()
        declining = cls(
            alpha=_share(table, "alpha", plain.alpha),
            share=_share(table, "share", plain.share),
            decline_on=tuple(
                _choice(table, each) for each in table.texts("decline_on", default=[*map(str, plain.decline_on)])
            ),
        )
        table.finish()
        return declining


@dataclass(frozen=True, slots=True)
class Split:
    """[challenger]: the share of entities whose published score is the challenger's. Never for a job that is clinical."""

    share: float = 0.0

    @classmethod
    def read(cls, table: TomlTable) -> Split:
        """As job.toml says. Raises UserError where a job that does not say that it is not clinical asks for a share."""
        share = _share(table, "split", 0.0)
        clinical = table.flag("clinical", default=True)
        table.finish()
        if share and clinical:
            raise UserError(
                f"{table.where}: a share of a clinical job's scores is never published by a challenger; take out split, or say "
                "clinical = false where no patient depends on the job."
            )
        return cls(share=share)

    def takes(self, job: str, entity_id: str) -> bool:
        """Whether the challenger publishes for an entity: the same answer for ever, by a hash of job and entity.

        >>> Split(share=0.5).takes("beds", "1"), Split(share=0.5).takes("beds", "2"), Split().takes("beds", "2")
        (False, True, False)
        """
        if not self.share:
            return False
        told = f"{len(job)}:{job}{entity_id}"
        digest = hashlib.sha256(told.encode()).digest()
        return int.from_bytes(digest[:8]) < self.share * _SHARES


def _share(table: TomlTable, key: str, default: float) -> float:
    value = table.number(key, default=default)
    if not 0 <= value < 1:
        raise UserError(f'{table.where}: "{key}" must be a share, from 0 to less than 1, not {value!r}.')
    return value


def _choice(table: TomlTable, value: str) -> Decline:
    known: Collection[str] = [str(each) for each in Decline]
    if value not in known:
        raise UserError(f'{table.where}: "{value}" is nothing to decline on; there are: {", ".join(known)}.')
    return Decline(value)

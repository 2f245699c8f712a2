"""What a job publishes with a score or instead: [bands], [reasons], [declining], [challenger]."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from scorer.errors import UserError
from scorer.jobs.toml_table import TomlTable

_SHARES = 2**64
_FACILITY = "facility"  # the attribute, where [features] names none


@lru_cache(maxsize=64)
def seen_by(text: str, *, facility: str | None) -> str | None:
    """The attribute that decides who may see a row; None: nobody is kept from any.

    It is that of the facility, where the text of job.toml itself publishes it. `facility` is that of
    [features], which is published with each score in any case.

    >>> seen_by('published = ["client", "facility"]', facility=None)
    'facility'
    >>> seen_by('published = ["client"]', facility="facility")
    """
    named = facility or _FACILITY
    return named if named in tomllib.loads(text).get("published", ()) else None


class Decline(StrEnum):
    """What a model may decline on."""

    FACILITY = "facility"  # the model was not made on the facility
    UNLIKE = "unlike"  # the inputs are unlike the training data
    EMPTY = "empty"  # the conformal set holds neither class: the score is rare in both
    UNDECIDED = "undecided"  # the conformal set holds several classes, or the interval lies in several bands


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit above which a score has a name or is an alarm: `value`, and in some facilities another."""

    value: float
    by_facility: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bands:
    """[bands]: the names of ranges of the score.

    A score has the name with the highest limit that it is above, else the lowest name. `limits` are highest first. `of_class` is the class
    of a multiclass job by whose probability they are; None in other jobs. `by_facility` has, by a facility's name, limits of its own.
    """

    limits: tuple[tuple[str, float], ...]
    lowest: str
    of_class: str | None = None
    by_facility: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The bands, highest first."""
        return *(name for name, _ in self.limits), self.lowest

    def limit(self, name: str) -> Limit:
        """The limit above which a score has the band `name`, or a higher one."""
        own = {facility: limits[name] for facility, limits in self.by_facility.items()}
        return Limit(dict(self.limits)[name], by_facility=own)

    @classmethod
    def read(cls, table: TomlTable) -> Bands:
        """Read [bands]. Raises UserError where a facility has other bands than all, or in another order."""
        lowest = table.text("lowest")
        of_class = table.text("class", default="") or None
        limits = _limits(table.table("above"))
        by = table.table("by", required=False)
        facilities = by.table("facility", required=False)
        own = {name: _limits(facilities.table(name)) for name in facilities.names()}
        for name, each in own.items():
            if [band for band, _ in each] != [band for band, _ in limits]:
                raise UserError(
                    f"{facilities.where}: {name} must have limits of the same bands as above, in the same order: "
                    f"{', '.join(band for band, _ in limits)}."
                )
        facilities.finish()
        by.finish()
        table.finish()
        by_facility = {name: dict(each) for name, each in own.items()}
        return cls(limits=limits, lowest=lowest, of_class=of_class, by_facility=by_facility)


def _limits(table: TomlTable) -> tuple[tuple[str, float], ...]:
    """The limits of bands, highest first."""
    limits = sorted(((name, table.number(name)) for name in table.names()), key=lambda limit: -limit[1])
    table.finish()
    return tuple(limits)


@dataclass(frozen=True, slots=True)
class Reasoning:
    """[reasons]: the bands whose scores are stored with reasons, and how many features those name."""

    bands: tuple[str, ...] = ()
    top: int = 5

    @classmethod
    def read(cls, table: TomlTable, *, bands: Sequence[str]) -> Reasoning:
        """Read [reasons]; by default the highest of the job's `bands`, which are highest first.

        Raises UserError where a band is not the job's.
        """
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
    """[declining]: on what a model declines, and the two levels that decide it.

    At level `alpha` the true class is outside the conformal set for at most this share of each class. `share` is the largest part of the
    training data that would itself be declined as unlike the training data. `bands` are the job's: an interval that lies in several of them
    decides nothing.
    """

    alpha: float = 0.1
    share: float = 0.001
    decline_on: tuple[Decline, ...] = (Decline.UNLIKE,)
    bands: Bands | None = field(default=None, compare=False)

    @classmethod
    def read(cls, table: TomlTable, *, bands: Bands | None = None) -> Declining:
        """Read [declining]; what it leaves out has its default."""
        plain = cls()
        declining = cls(
            alpha=_share(table, "alpha", plain.alpha),
            share=_share(table, "share", plain.share),
            decline_on=tuple(
                _choice(table, each) for each in table.texts("decline_on", default=[*map(str, plain.decline_on)])
            ),
            bands=bands,
        )
        table.finish()
        return declining


@dataclass(frozen=True, slots=True)
class Split:
    """[challenger]: the share of entities whose published score is the challenger's; 0 for a clinical job."""

    share: float = 0.0

    @classmethod
    def read(cls, table: TomlTable) -> Split:
        """Read [challenger]. Raises UserError where a share is set without `clinical = false`."""
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
        """Whether the challenger publishes for an entity.

        A hash of job and entity decides, so the answer never changes.

        >>> Split(share=0.5).takes("beds", "1"), Split(share=0.5).takes("beds", "2"), Split().takes("beds", "2")
        (False, True, False)
        """
        if not self.share:
            return False
        digest = hashlib.sha256(f"{len(job)}:{job}{entity_id}".encode()).digest()
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

"""A job's flags as a batch read them: what is on, off, or on for some of the entities; pure.

The same is written out in SQL (`scorer.flag_includes`), for a site's own statements. Neither may ever change its answer.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_BUCKETS = 1_000_000
_BUCKETS_PER_CENT = 10_000
_HEX_DIGITS = 15  # of the digest: 60 bits, which every language's whole numbers hold


class Switch(StrEnum):
    """What a flag of a job switches; its name is that of the job, a dot, and this."""

    SCORES = "scores"  # off: scored in the shadow alone
    WRITE_BACK = "write_back"  # off: nothing new is written into the hospital's table
    REASONS = "reasons"  # off: no reasons are made


def bucket(flag: str, entity_id: str) -> int:
    """Where an entity stands among all for a flag, from 0 to 999,999: the same for ever.

    >>> bucket("a", "1"), bucket("b", "1")
    (571941, 19811)
    """
    digest = hashlib.sha256(f"{flag}:{entity_id}".encode()).hexdigest()
    return int(digest[:_HEX_DIGITS], 16) % _BUCKETS


def includes(setting: Mapping[str, Any] | None, flag: str, entity_id: str, facility: str | None) -> bool:
    """Whether a flag that was set to this is on for an entity of a facility; one that is not set is.

    An entity that is in at a share is in at every greater one. One without a facility is in none of those named.

    >>> includes({"enabled": True, "facilities": ["north"]}, "f", "1", "north"), includes({"enabled": False}, "f", "1", None)
    (True, False)
    """
    if setting is None:
        return True
    if not setting["enabled"] or ("facilities" in setting and facility not in setting["facilities"]):
        return False
    return "share" not in setting or bucket(flag, entity_id) < round(setting["share"] * _BUCKETS_PER_CENT)


def as_named(facility: object) -> str | None:
    """A facility as flags name it: the text of a published one, also where it is known by a number.

    >>> as_named(12.0), as_named(12), as_named(0.1), as_named("north"), as_named(float("nan"))
    ('12', '12', '0.1', 'north', None)
    """
    if facility is None or (isinstance(facility, float) and not math.isfinite(facility)):
        return None
    return str(int(facility)) if isinstance(facility, float) and facility.is_integer() else str(facility)


def in_words(setting: Mapping[str, Any]) -> str:
    """What a flag is set to.

    >>> in_words({"enabled": True, "share": 10, "facilities": ["north"]}), in_words({"enabled": False})
    ('on for 10 % of the entities of north', 'off')
    """
    if not setting["enabled"]:
        return "off"
    share, facilities = setting.get("share"), setting.get("facilities")
    if not share and not facilities:
        return "on"
    some = "the entities" if share is None else f"{float(share):g} % of the entities"
    return f"on for {some}{' of ' + ', '.join(facilities) if facilities else ''}"


@dataclass(frozen=True, slots=True)
class JobFlags:
    """The flags of a job that are set, by name, each with what it is set to."""

    job: str = ""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, job: str, settings: Mapping[str, Mapping[str, Any]] | None) -> JobFlags:
        """The flags as the database gives them, None where none is set."""
        return cls(job, settings or {})

    def name(self, switch: Switch) -> str:
        """The name of one of the job's flags."""
        return f"{self.job}.{switch}"

    def setting(self, switch: Switch) -> Mapping[str, Any] | None:
        """What one of the job's flags is set to; None where it is not set."""
        return self.settings.get(self.name(switch))

    def off(self, switch: Switch, entity_ids: Sequence[str], *, facilities: Sequence[str | None]) -> list[bool]:
        """For each entity, with its facility, whether a flag is off."""
        setting, name = self.setting(switch), self.name(switch)
        if setting is None:
            return [False] * len(entity_ids)
        return [
            not includes(setting, name, entity_id, facility)
            for entity_id, facility in zip(entity_ids, facilities, strict=True)
        ]

    @property
    def restricted(self) -> str | None:
        """In words, which of them are not on for everyone; None where all are."""
        told = [f"{name} is {in_words(setting)}" for name, setting in sorted(self.settings.items())]
        return ", ".join(each for each in told if not each.endswith(" is on")) or None

    @property
    def why_unpublished(self) -> str:
        """Why an entity has no score where its scores are off, as the ledger has it."""
        return f"{self.name(Switch.SCORES)} is off for it"


NONE_SET = JobFlags()  # what is so where nobody has set a flag: all is on

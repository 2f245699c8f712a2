"""A flag's answer for an entity is the same for ever, and an entity that is in at a share is in at every greater one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.types.flags import NONE_SET, JobFlags, Switch, bucket, includes

# Written down once: they must never change, whatever the program, the server or the processor.
FIXED = {
    ("sepsis.scores", "1"): 124036,
    ("sepsis.reasons", "1"): 25679,
    ("own.name", ""): 671694,
    ("own.name", "Ünïcode ☃ 😀"): 94950,
}
ENTITIES = [str(number) for number in range(20_000)]
names = st.from_regex(r"[a-z]{1,8}[.][a-z]{1,8}", fullmatch=True)
entities = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
shares = st.decimals(min_value="0.0001", max_value="99.9999", places=4).map(float)


@pytest.mark.parametrize(("flag", "entity"), FIXED)
def test_an_entity_has_its_place_for_ever(flag: str, entity: str) -> None:
    assert bucket(flag, entity) == FIXED[flag, entity]


@given(names, entities, shares, shares)
def test_who_is_in_at_a_share_is_in_at_every_greater_one(flag: str, entity: str, one: float, other: float) -> None:
    small, great = sorted((one, other))
    if includes({"enabled": True, "share": small}, flag, entity, None):
        assert includes({"enabled": True, "share": great}, flag, entity, None)


@pytest.mark.parametrize("share", [0.5, 10, 50, 99])
def test_a_share_is_of_that_many(share: float) -> None:
    inside = sum(includes({"enabled": True, "share": share}, "a.flag", each, None) for each in ENTITIES)
    assert inside / len(ENTITIES) == pytest.approx(share / 100, abs=0.01)


def test_flags_choose_their_entities_each_for_itself() -> None:
    half = {"enabled": True, "share": 50}
    together = Counter(
        (includes(half, "a.flag", each, None), includes(half, "another", each, None)) for each in ENTITIES
    )
    assert len(together) == 4
    assert min(together.values()) > 0.23 * len(ENTITIES)


@pytest.mark.parametrize(
    ("setting", "facility", "is_in"),
    [
        (None, None, True),
        ({"enabled": True}, None, True),
        ({"enabled": False}, "north", False),
        ({"enabled": True, "facilities": ["north", "south"]}, "south", True),
        ({"enabled": True, "facilities": ["north"]}, "south", False),
        ({"enabled": True, "facilities": ["north"]}, None, False),
        ({"enabled": True, "facilities": [""]}, None, False),
        ({"enabled": True, "share": 99.9999, "facilities": ["north"]}, "south", False),
        ({"enabled": True, "share": 99.9999, "facilities": ["north"]}, "north", True),
        ({"enabled": True, "share": 0.0001, "facilities": ["north"]}, "north", False),
    ],
)
def test_share_and_facilities_must_both_hold(setting: Any, facility: str | None, is_in: bool) -> None:
    assert includes(setting, "sepsis.scores", "1", facility) is is_in


def test_of_a_batch_each_entity_is_told() -> None:
    flags = JobFlags.of("sepsis", {"sepsis.scores": {"enabled": True, "facilities": ["north"]}})
    assert flags.off(Switch.SCORES, ["1", "2", "3"], facilities=["north", None, "south"]) == [False, True, True]
    assert flags.off(Switch.REASONS, ["1", "2"], facilities=[None, None]) == [False, False]
    assert flags.why_unpublished == "sepsis.scores is off for it"
    assert JobFlags.of("sepsis", None).settings == NONE_SET.settings == {}

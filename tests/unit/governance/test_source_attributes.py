"""The 31 source attributes: each there once, and filled by nobody but who knows."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from scorer.database.reporting.models import LiveFigure
from scorer.database.store.models import Registered
from scorer.governance.source_attributes import GROUPS, Known, Standing, answers
from scorer.registry.cards import FIELDS

AT = datetime(2026, 11, 1, tzinfo=UTC)
FIGURE = {"value": 0.8, "low": 0.7, "high": 0.9}
MANIFEST = {
    "task": "binary",
    "features": ["HR", "age"],
    "catalogue": {"HR": {"code": "HR"}, "age": {"code": None}},
    "metrics": {"auroc": FIGURE},
    "bands": {"HIGH": {}, "MEDIUM": {}},
    "training": {"clients": 1200, "rows": 50_000},
    "facilities": {"A": {"metrics": {"auroc": FIGURE}}},
}


def known(manifest: dict[str, Any], *, card: dict[str, str] | None = None, live: tuple[LiveFigure, ...] = ()) -> Known:
    model = Registered("a", "v1", "production", "0" * 64, manifest, AT, "me", None, False)
    return Known(model, card or {}, live)


def test_there_are_thirty_one_in_nine_groups_numbered_as_in_the_rule() -> None:
    numbers = [each.number for group in GROUPS for each in group.attributes]
    assert len(set(numbers)) == len(numbers) == 31
    assert [len(group.attributes) for group in GROUPS] == [4, 4, 2, 4, 2, 4, 5, 4, 2]
    for group in GROUPS:
        for place, each in enumerate(group.attributes):
            assert each.number == f"{group.number}.{('i', 'ii', 'iii', 'iv', 'v')[place]}"


def test_a_model_of_which_nothing_is_known_leaves_all_but_the_programs_own_to_a_person() -> None:
    found = answers(known({}))
    assert {number for number, answer in found.items() if answer.standing is not Standing.TO_WRITE} == {
        *("1.iii", "1.iv"),  # of models made before a manifest said so, all are binary
        *("8.i", "8.iii", "9.i", "9.ii"),
    }
    assert not [number for number, answer in found.items() if answer.standing is Standing.WRITTEN]


def test_what_the_manifest_knows_is_told() -> None:
    found = answers(known(MANIFEST))
    assert found["7.i"].says == ("Cross-validated by client, with intervals of 95 %: auroc 0.800 (0.700 to 0.900).",)
    assert "HIGH, MEDIUM" in found["1.iii"].says[0]
    assert "clients: 1,200" in found["4.i"].says[0]
    assert "none of them" not in found["4.ii"].says[0]
    assert "age" in found["4.ii"].says[0]
    assert found["7.ii"].says == ("Facility A: auroc 0.800 (0.700 to 0.900).",)
    assert found["4.ii"].standing is Standing.TO_CHECK


def test_what_a_person_wrote_is_told_once_and_pointed_to() -> None:
    card = {name: f"about {name}" for name in FIELDS}
    found = answers(known(MANIFEST, card=card))
    said = " ".join(paragraph for answer in found.values() for paragraph in answer.says)
    for name in ("intended_use", "out_of_scope", "training_data", "subgroups", "limits", "owner", "contact"):
        assert said.count(f"about {name}") == 1, name
    assert found["2.i"].standing is Standing.WRITTEN
    assert (found["2.iii"].standing, found["2.iii"].says) == (Standing.TO_CHECK, ("As far as 2.i says it.",))
    blank = answers(known(MANIFEST, card=dict.fromkeys(FIELDS, " ")))
    assert blank["2.i"].standing is Standing.TO_WRITE
    half = answers(known(MANIFEST, card={"owner": "somebody"}))
    assert half["1.i"].standing is Standing.TO_CHECK


def test_nobody_else_fills_what_only_a_person_knows() -> None:
    found = answers(known(MANIFEST, card=dict.fromkeys(FIELDS, "x")))
    for number in ("1.ii", "5.ii", "6.i", "6.ii", "6.iii", "6.iv", "7.iii", "7.iv", "7.v", "8.iv"):
        assert found[number].standing is Standing.TO_WRITE, number


def test_local_validity_is_that_of_the_newest_checkup() -> None:
    old, new = (
        LiveFigure("a", "v1", AT, AT.replace(day=day), "auroc", value, None, None, None, 400, 30)
        for day, value in ((2, 0.9), (3, 0.75))
    )
    assert re.search(r"3 November 2026, over 400 .* auroc 0.750\.", answers(known({}, live=(old, new)))["8.ii"].says[0])
    assert answers(known({}))["8.ii"].standing is Standing.TO_WRITE

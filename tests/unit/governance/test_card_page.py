"""The card's page: every attribute, what a person must see to marked, and nothing of it unescaped."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from scorer.database.store.models import Registered
from scorer.governance.card_page import card_page
from scorer.governance.source_attributes import GROUPS, Known, Standing, answers

HOSTILE = '<script>alert(1)</script>"><img src=x>'


def model(**given: Any) -> Registered:
    manifest = {
        "metrics": {
            "auroc": {"value": 0.81234, "low": 0.8, "high": None},
            "mae": {"value": 97069.1, "low": 93722.0, "high": 100692.0},
        },
        "naive": {"figures": {"auroc": {"value": 0.5}}},
        "importances": {HOSTILE: 0.4, "age": 0.9},
        "catalogue": {"age": {"meaning": HOSTILE, "code": None}},
        "features": ["age", HOSTILE],
    } | given
    return Registered(
        HOSTILE, HOSTILE, "staging", "ab" * 32, manifest, datetime(2026, 11, 1, tzinfo=UTC), HOSTILE, None, True
    )


def test_each_attribute_is_there_and_marked_where_a_person_must_see_to_it() -> None:
    made = card_page(model(), card={"intended_use": "Adults."}, live=())
    found = answers(Known(model(), {"intended_use": "Adults."}))
    for group in GROUPS:
        for each in group.attributes:
            assert f"<h3>{each.number} " in made
    marked = [each for each in found.values() if each.standing in {Standing.TO_WRITE, Standing.TO_CHECK}]
    assert made.count('<p class="mark">') == len(marked) > 20
    counts = dict(re.findall(r"<dt>([^<]+)</dt><dd>(\d+)</dd>", made))
    assert sum(map(int, counts.values())) == 31
    assert int(counts["to be written by a person"]) == made.count("To be written by a person.")


def test_nothing_is_unescaped() -> None:
    made = card_page(model(), card={"limits": HOSTILE, "owner": HOSTILE, "contact": "x"}, live=())
    assert "<script" not in made
    assert "<img" not in made


def test_figures_stand_beside_the_naive_forecast() -> None:
    made = card_page(model(), card={}, live=())
    assert '<th scope="row">AUROC</th><td class="n">0.812</td><td class="n"></td><td class="n">0.500</td>' in made
    assert '<td class="n">97,069.100</td><td class="n">93,722.000 to 100,692.000</td>' in made
    assert made.index("<code>age</code>") < made.index("<code>&lt;script")
    bare = card_page(model(metrics={}, importances=None), card={}, live=())
    assert "The manifest has none." in bare
    assert "does not tell how much each moves a score" in bare

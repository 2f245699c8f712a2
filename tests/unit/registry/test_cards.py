"""Model cards: drafted from the manifest, filled by a person, and read back."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scorer.database.store.models import Registered
from scorer.errors import UserError
from scorer.registry.cards import FIELDS, draft, facts, read_card


def model(version: str = "v2") -> Registered:
    """A version as the registry has it."""
    return Registered(
        job="sepsis",
        model_version=version,
        status="candidate",
        sha256="f" * 64,
        manifest={
            "created_at": "2026-11-20",
            "estimator": {"class": "Ensemble"},
            "features": ["a", "b"],
            "libraries": {"numpy": "2.4.6"},
            "training": {"rows": 7, "clients": ["not a fact"]},
            "metrics": {"auroc": {"value": 0.8, "low": 0.7, "high": 0.9}, "brier": {"value": 0.1}, "curve": [0.1]},
        },
        registered_at=datetime(2026, 11, 21, 8, 30, tzinfo=UTC),
        registered_by="anna",
        promoted_at=None,
        stored=False,
    )


def test_facts_are_those_of_registry_and_manifest() -> None:
    assert facts(model()) == {
        "job": "sepsis",
        "model_version": "v2",
        "sha256": "f" * 64,
        "registered": "2026-11-21 08:30Z by anna",
        "created_at": "2026-11-20",
        "estimator": "Ensemble",
        "features": "2",
        "libraries": "numpy 2.4.6",
        "training_rows": "7",
        "auroc": "0.8000 (0.7000 to 0.9000)",
        "brier": "0.1000",
    }


def test_the_most_important_features_are_facts() -> None:
    of = {"a": 0.012345, "b": 2.0, "c": 0.0, "d": 0.5, "e": 0.25, "f": 0.125}
    shown = {
        name: facts(replace(model(), manifest={"importances": given})).get("most_important_features")
        for name, given in (("all", of), ("none", {}), ("from elsewhere", ["b"]), ("words", {"a": "much"}))
    }
    assert shown == {
        "all": "b 2, d 0.5, e 0.25, f 0.125, a 0.0123",
        "none": None,
        "from elsewhere": None,
        "words": None,
    }


def test_a_class_may_be_called_anything(tmp_path: Path) -> None:
    metrics = {'auroc of Chinstrap (P. "antarctica")': {"value": 0.8}, "auroc of älter": {"value": 0.7}}
    of_classes = replace(model(), manifest={**model().manifest, "metrics": metrics})
    path = tmp_path / "card.toml"
    path.write_text(draft(of_classes), encoding="utf-8")
    assert tomllib.loads(path.read_text(encoding="utf-8"))["facts"] == facts(of_classes)
    assert read_card(path, of_classes) == dict.fromkeys(FIELDS, "")


def test_a_draft_has_the_facts_and_every_field_empty() -> None:
    written = tomllib.loads(draft(model()))
    assert written["facts"] == facts(model())
    assert written["card"] == dict.fromkeys(FIELDS, "")
    assert "scorer model card sepsis v2 --set THIS-FILE" in draft(model())


@pytest.mark.parametrize(
    "text",
    ["plain", 'a "quoted" text', "two\nlines", 'a "quoted" text\nof two lines, with \\ in it', 'ends"', "\x7f é"],
)
def test_a_text_comes_back_as_it_was_filled_in(tmp_path: Path, text: str) -> None:
    path = tmp_path / "card.toml"
    path.write_text(draft(model(), card={"limits": text}), encoding="utf-8")
    assert read_card(path, model()) == dict.fromkeys(FIELDS, "") | {"limits": text}


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[facts]", "[facts", "is not valid TOML: "),
        (
            "\n[card]",
            "\n[cart]",
            r"has no \[facts\] or no \[card\]; begin with one that `scorer model card --write` made",
        ),
        (
            "\n[card]",
            '\n[card]\ncolour = "blue"',
            "has the field 'colour', which no card has; the fields are intended_use, ",
        ),
        ('owner = ""', "owner = 7", ": owner must be text in quotes"),
        (
            'model_version = "v2"',
            'model_version = "v3"',
            "is not one of model v2 of sepsis: its model_version is 'v3', ",
        ),
        ("f" * 64, "0" * 64, "is not one of model v2 of sepsis: its sha256 is '0000"),
    ],
)
def test_a_card_of_another_model_or_that_is_no_card_is_refused(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    path = tmp_path / "card.toml"
    assert draft(model()).count(old) == 1
    path.write_text(draft(model()).replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=rf"^The card {re.escape(str(path))}:? ?{sentence}") as raised:
        read_card(path, model())
    assert "\n" not in str(raised.value)


def test_a_card_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^The card .* cannot be read: No such file or directory\.$"):
        read_card(tmp_path / "none.toml", model())


def test_a_figure_that_could_not_be_measured_is_unknown() -> None:
    metrics = {
        "auroc": {"value": None, "low": None, "high": None},
        "brier": {"value": 0.25, "low": None, "high": 0.5},
        "prevalence": {"value": "much", "low": 0.1, "high": 0.2},
    }
    one = model()
    found = facts(replace(one, manifest={**one.manifest, "metrics": metrics}))
    assert (found["auroc"], found["brier"], found["prevalence"]) == ("unknown", "0.2500", "unknown (0.1000 to 0.2000)")
    assert draft(replace(one, manifest={**one.manifest, "metrics": metrics}))

"""Model cards: what a person must write about a model before it may score patients.

A card is a TOML file. Its [facts] come from the manifest and are to be read only; its [card] is for a person to fill, each field a text.
The database knows the fields too, and refuses to promote a model with an empty one.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scorer.database.store.models import Registered
from scorer.errors import UserError

CARD = "card.toml"  # beside a model that comes with a job

# In the order of scorer.card_gaps, each with the question that it answers.
FIELDS: Mapping[str, str] = {
    "intended_use": "Whom does it score, when, and who does what upon which band?",
    "out_of_scope": "For whom, where and for what must it not be used?",
    "training_data": "Whose data trained it: which hospitals, units and years; who is missing; how was the outcome found?",
    "performance": "What do its figures mean for the wards: alerts a day, how many of them right, how many hours ahead?",
    "subgroups": "How does it do by age, sex and unit? Name those for whom it does worse, and what follows from that.",
    "limits": "When is it wrong, and how would anybody notice?",
    "ethical_considerations": "Whom could it harm, by an alarm or by the lack of one? What was weighed, and by whom?",
    "owner": "Who answers for it?",
    "contact": "Whom does a ward call?",
}
_BEATEN: Mapping[Any, str] = {True: "yes", False: "no, not by more than chance"}
_MOST_IMPORTANT = 5  # features that are named
_IDENTITY = ("job", "model_version", "sha256")


def draft(model: Registered, *, card: Mapping[str, Any] | None = None) -> str:
    """Write the card of a model version as TOML: its facts, and the fields of `card`, all others empty."""
    filled = card or {}
    lines = [
        f"# The card of model {model.model_version} of {model.job}. Fill every field of [card], between the quotes; then set it:",
        f"#     scorer model card {model.job} {model.model_version} --set THIS-FILE",
        "",
        "[facts]  # by the manifest; to be read, and not to be changed",
        *(f"{_key(name)} = {_text(value)}" for name, value in facts(model).items()),
        "",
        "[card]",
    ]
    for name, question in FIELDS.items():
        lines += [f"# {question}", f"{name} = {_text(str(filled.get(name, '')))}"]
    return "\n".join(lines) + "\n"


def facts(model: Registered) -> dict[str, str]:
    """What the manifest says of a model version, as texts."""
    manifest = model.manifest
    training = manifest.get("training") or {}
    estimator = manifest.get("estimator") or {}
    found = {
        "job": model.job,
        "model_version": model.model_version,
        "sha256": model.sha256,
        "registered": f"{model.registered_at:%Y-%m-%d %H:%M}Z by {model.registered_by}",
        "created_at": manifest.get("created_at"),
        "estimator": estimator.get("class") if isinstance(estimator, dict) else estimator,
        "features": f"{len(manifest.get('features') or ())}",
        "libraries": _listed(manifest.get("libraries")),
        **{f"training_{name}": value for name, value in training.items() if isinstance(value, str | int | float)},
        **{name: _measured(value) for name, value in (manifest.get("metrics") or {}).items()},
        "beats_naive_forecast": _BEATEN.get((manifest.get("naive") or {}).get("beaten")),
        "alarm_threshold": manifest.get("alarm_threshold"),
        "most_important_features": _most_important(manifest.get("importances")),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def read_card(path: Path, model: Registered) -> dict[str, str]:
    """Read the fields of the card in a file.

    Raises UserError where the file cannot be read, is no card, or is the card of another model than `model`.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"The card {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"The card {path} is not valid TOML: {error}.") from error
    stated, card = content.get("facts"), content.get("card")
    if not isinstance(stated, dict) or not isinstance(card, dict):
        raise UserError(
            f"The card {path} has no [facts] or no [card]; begin with one that `scorer model card --write` made."
        )
    known = facts(model)
    other = next((name for name in _IDENTITY if stated.get(name) != known[name]), None)
    if other is not None:
        raise UserError(
            f"The card {path} is not one of model {model.model_version} of {model.job}: its {other} is {stated.get(other)!r}, "
            f"the registry's {known[other]!r}."
        )
    unknown = next((name for name in card if name not in FIELDS), None)
    if unknown is not None:
        raise UserError(
            f"The card {path} has the field {unknown!r}, which no card has; the fields are {', '.join(FIELDS)}."
        )
    wrong = next((name for name, value in card.items() if not isinstance(value, str)), None)
    if wrong is not None:
        raise UserError(f"The card {path}: {wrong} must be text in quotes.")
    return {name: card.get(name, "") for name in FIELDS}


def _key(name: str) -> str:
    """A TOML key, in quotes where it needs them, as the name of a class may."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _text(name)


def _text(value: str) -> str:
    """A TOML string, over several lines where the text has several."""
    if "\n" in value and '"""' not in value and "\\" not in value and not value.endswith('"'):
        return f'"""\n{value}"""'
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _listed(values: Any) -> str | None:
    return ", ".join(f"{name} {value}" for name, value in values.items()) if isinstance(values, dict) else None


def _most_important(importances: Any) -> str | None:
    """The features that move a score most, each with its importance; None where none is known."""
    if not isinstance(importances, dict):
        return None
    known = [(name, value) for name, value in importances.items() if isinstance(value, int | float)]
    first = sorted(known, key=lambda each: (-each[1], each[0]))[:_MOST_IMPORTANT]
    return ", ".join(f"{name} {value:.3g}" for name, value in first) or None


def _measured(value: Any) -> str | None:
    """A metric of the manifest, with its interval; unknown where it could not be measured."""
    if not isinstance(value, dict) or "value" not in value:
        return None
    told, low, high = (
        f"{each:.4f}" if isinstance(each, int | float) else None
        for each in (value["value"], value.get("low"), value.get("high"))
    )
    interval = "" if low is None or high is None else f" ({low} to {high})"
    return f"{told or 'unknown'}{interval}"

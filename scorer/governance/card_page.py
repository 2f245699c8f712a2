"""A model's card as a page, with the 31 source attributes that HTI-1 asks for.

Each is filled where something is known, and marked where a person must fill it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from scorer import __version__
from scorer.database.reporting.models import LiveFigure
from scorer.database.store.models import Registered
from scorer.evaluation import wording
from scorer.evaluation.pages.dress import Head, Html, Source, element, facts, numbers, page, section, table, text
from scorer.governance.source_attributes import GROUPS, Answer, Attribute, Known, Standing, answers

_MOST = 15  # features by importance


def card_page(model: Registered, *, card: Mapping[str, Any], live: Sequence[LiveFigure]) -> str:
    """The page as the text of a file.

    `card` is empty where there is none; `live` are the version's live figures here.
    """
    known = Known(model, card, live)
    found = answers(known)
    stand = Counter(each.standing for each in found.values())
    places = [(f"group-{group.number}", f"{group.number} {group.title}") for group in GROUPS]
    head = Head(
        title=f"Model card: {model.job} {model.model_version}",
        headline=f"Source attributes of a predictive decision support intervention, 45 CFR 170.315(b)(11)(iv)(B): {len(found)} in all.",
        places=[*places, ("figures", "Figures"), ("features", "Features")],
    )
    return page(
        head,
        facts([(str(standing), stand[standing]) for standing in Standing]),
        facts(
            [
                ("status", model.status),
                ("registered", f"{model.registered_at:%-d %B %Y} by {model.registered_by}"),
                ("in production since", f"{model.promoted_at:%-d %B %Y}" if model.promoted_at else "never"),
                ("SHA-256", element("code", model.sha256)),
            ]
        ),
        [
            section(
                f"{group.number} {group.title}",
                [_attribute(each, found[each.number]) for each in group.attributes],
                id_=f"group-{group.number}",
            )
            for group in GROUPS
        ],
        _figures(model),
        _features(model),
        foot=f"Made by scorer {__version__} from the version's manifest, its card, and its live figures in this database.",
    )


def _attribute(attribute: Attribute, answer: Answer) -> Html:
    marked = answer.standing in {Standing.TO_WRITE, Standing.TO_CHECK}
    return element(
        "div",
        element("h3", f"{attribute.number} {attribute.asks}"),
        [element("p", paragraph) for paragraph in answer.says],
        element(
            "p",
            f"{str(answer.standing)[:1].upper()}{str(answer.standing)[1:]}.",
            class_="mark" if marked else "source",
        ),
        class_="attribute",
    )


def _figures(model: Registered) -> Html:
    naive = (model.manifest.get("naive") or {}).get("figures") or {}
    rows = [
        [wording.title(name), _value(figure), _interval(figure), _value(naive.get(name)), wording.meaning(name)]
        for name, figure in (model.manifest.get("metrics") or {}).items()
    ]
    columns = ["figure", *numbers("value", "95 % interval", "naive forecast"), text("says")]
    told = table("Cross-validated figures", columns, rows) if rows else element("p", "The manifest has none.")
    return section(
        "Figures",
        told,
        id_="figures",
        source=Source(
            "By client: no patient is in training and test at once. The naive forecast is what one would say without a model.",
            ["reporting.models"],
        ),
    )


def _value(figure: Any) -> str:
    value = figure.get("value") if isinstance(figure, Mapping) else None
    return "" if value is None else f"{value:,.3f}"


def _interval(figure: Any) -> str:
    low, high = (figure.get(end) if isinstance(figure, Mapping) else None for end in ("low", "high"))
    return "" if low is None or high is None else f"{low:,.3f} to {high:,.3f}"


def _features(model: Registered) -> Html:
    importances = model.manifest.get("importances") or {}
    catalogue = model.manifest.get("catalogue") or {}
    first = sorted(importances, key=lambda name: (-importances[name], name))[:_MOST]
    rows = [
        [element("code", name), f"{importances[name]:.3g}", (catalogue.get(name) or {}).get("meaning") or ""]
        for name in first
    ]
    told = (
        table(
            f"The {len(rows)} of {len(model.manifest.get('features') or ())} features that move a score most",
            ["feature", *numbers("moves it by"), text("is")],
            rows,
        )
        if rows
        else element("p", "The manifest does not tell how much each moves a score.")
    )
    return section(
        "Features",
        told,
        id_="features",
        source=Source("How far a feature moves a score on average, by the training rows.", ["reporting.features"]),
    )

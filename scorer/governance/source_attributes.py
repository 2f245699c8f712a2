"""The source attributes that the HTI-1 rule lists: 31, in nine groups.

45 CFR 170.315(b)(11)(iv)(B). Each is filled by what the manifest knows, by what the program does of itself, or by what a person wrote into
the card; what none of them says is marked, for a person to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from scorer.database.reporting.models import LiveFigure
from scorer.database.store.models import Registered


class Standing(StrEnum):
    """Who fills an attribute."""

    KNOWN = "known"  # by the manifest, or by what the program does of itself
    WRITTEN = "written by a person"  # in the card
    TO_CHECK = "to be checked by a person"  # something is known that may not be all that is asked for
    TO_WRITE = "to be written by a person"


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a model version: its manifest, its card, its live figures here.

    The card is empty where there is none.
    """

    model: Registered
    card: Mapping[str, Any]
    live: Sequence[LiveFigure] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What there is to say of an attribute, in paragraphs, and who said it."""

    standing: Standing
    says: tuple[str, ...] = ()


Fill = Callable[[Known], Answer]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: its number within the rule, what is asked for, and what fills it."""

    number: str
    asks: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class Group:
    """Attributes that belong together, under the rule's own number and name."""

    number: int
    title: str
    attributes: tuple[Attribute, ...]


def _nobody(_: Known) -> Answer:
    return Answer(Standing.TO_WRITE)


def _card(*names: str, whole: bool = True) -> Fill:
    """By fields of the card; `whole`: whether they are what is asked for, or may lack something of it."""

    def fill(known: Known) -> Answer:
        said = tuple(str(known.card[name]) for name in names if str(known.card.get(name, "")).strip())
        if not said:
            return Answer(Standing.TO_WRITE)
        return Answer(Standing.WRITTEN if whole and len(said) == len(names) else Standing.TO_CHECK, said)

    return fill


def _see(number: str, name: str) -> Fill:
    """By what another attribute's field of the card may say as well, which is not told twice."""

    def fill(known: Known) -> Answer:
        if not str(known.card.get(name, "")).strip():
            return Answer(Standing.TO_WRITE)
        return Answer(Standing.TO_CHECK, (f"As far as {number} says it.",))

    return fill


def _program(text: str, *, whole: bool = True) -> Fill:
    """By what the program does of itself."""
    return lambda _: Answer(Standing.KNOWN if whole else Standing.TO_CHECK, (text,))


_OUTPUTS = {
    "binary": ("A probability from 0 to 1", "a prediction"),
    "multiclass": ("A class, with the probability of each class", "a classification"),
    "regression": ("A value with its interval", "a prediction"),
}


def _output(known: Known) -> Answer:
    manifest = known.model.manifest
    task = _OUTPUTS.get(str(manifest.get("task", "binary")))
    if task is None:
        return Answer(Standing.TO_WRITE)
    bands = ", ".join(manifest.get("bands") or ())
    return Answer(
        Standing.KNOWN, (f"{task[0]}{f', put into a risk band (above the lowest: {bands})' if bands else ''}.",)
    )


def _kind(known: Known) -> Answer:
    task = _OUTPUTS.get(str(known.model.manifest.get("task", "binary")))
    return Answer(Standing.TO_WRITE) if task is None else Answer(Standing.KNOWN, (f"It is {task[1]}.",))


def _criteria(known: Known) -> Answer:
    training = known.model.manifest.get("training") or {}
    told = [
        f"{name.replace('_', ' ')}: {training[name]:,}"
        if isinstance(training[name], int)
        else f"{name.replace('_', ' ')}: {training[name]}"
        for name in ("clients", "entities", "rows", "positive_rows", "first_landmark", "last_landmark")
        if training.get(name) is not None
    ]
    said = str(known.card.get("training_data", "")).strip()
    paragraphs = (*([said] if said else []), *([f"By the manifest, {'; '.join(told)}."] if told else []))
    return Answer(Standing.TO_CHECK if paragraphs else Standing.TO_WRITE, paragraphs)


_ASKED_FOR = (
    "Asked for are race, ethnicity, language, sexual orientation, gender identity, sex, date of birth, social determinants of health, and "
    "assessments of health status."
)


def _features(known: Known) -> Answer:
    manifest = known.model.manifest
    names, catalogue = list(manifest.get("features") or ()), manifest.get("catalogue") or {}
    if not names:
        return Answer(Standing.TO_WRITE)
    own = [name for name in names if name in catalogue and not (catalogue[name] or {}).get("code")]
    told = f"{len(names)} input features."
    if catalogue:
        told += f" Of them attributes of the entity itself, and no observations: {', '.join(own) or 'none'}."
    return Answer(Standing.TO_CHECK, (told, _ASKED_FOR))


def _measured(figures: Mapping[str, Any]) -> str:
    told = []
    for name, figure in figures.items():
        if isinstance(figure, Mapping) and isinstance(figure.get("value"), int | float):
            low, high = figure.get("low"), figure.get("high")
            interval = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
            told.append(f"{name.replace('_', ' ')} {figure['value']:.3f}{interval}")
    return ", ".join(told)


def _validity(known: Known) -> Answer:
    told = _measured(known.model.manifest.get("metrics") or {})
    if not told:
        return Answer(Standing.TO_WRITE)
    return Answer(Standing.KNOWN, (f"Cross-validated by client, with intervals of 95 %: {told}.",))


def _fairness(known: Known) -> Answer:
    said = str(known.card.get("subgroups", "")).strip()
    facilities = [
        f"Facility {name}: {_measured((of or {}).get('metrics') or {})}."
        for name, of in (known.model.manifest.get("facilities") or {}).items()
        if _measured((of or {}).get("metrics") or {})
    ]
    paragraphs = (*([said] if said else []), *facilities)
    if not paragraphs:
        return Answer(Standing.TO_WRITE)
    return Answer(Standing.WRITTEN if said else Standing.TO_CHECK, paragraphs)


def _local(known: Known) -> Answer:
    figures = [each for each in known.live if each.value is not None]
    if not figures:
        return Answer(Standing.TO_WRITE, ("No live figure is known here yet.",))
    newest = max(each.window_until for each in figures)
    last = [each for each in figures if each.window_until == newest]
    told = _measured({each.metric: {"value": each.value, "low": each.low, "high": each.high} for each in last})
    return Answer(
        Standing.KNOWN,
        (
            f"At the checkup of {newest:%-d %B %Y}, over {last[0].rows:,} published scores whose outcome is known: {told}.",
        ),
    )


_MONITORED = (
    "Every night: drift of features and scores against training, live figures once outcomes are known, constant scores, new observation "
    "types. What is found wrong is an alert until a checkup finds it no more."
)
_MONITORED_BY_FACILITY = (
    "Every night the same figures for each facility. Other subgroups are told by `scorer evaluate --subgroups`; how often that is done, a "
    "person must say."
)
_UPDATED = (
    "Training is due by live figures, drift, new observation types or age, as reporting.retrain_due tells. A new version goes into "
    "production by two people, once its card is filled, its golden vectors score here as where it was made, and a shadow run lists who "
    "would change band."
)
_CORRECTED = (
    "Each night tells whether it is due. A version can be rolled back, and its scores recalled, at any time; how soon that is done, a "
    "person must say."
)

GROUPS: tuple[Group, ...] = (
    Group(
        1,
        "Details and output of the intervention",
        (
            Attribute("1.i", "Name and contact information of the intervention's developer", _card("owner", "contact")),
            Attribute("1.ii", "Funding source of the technical implementation of its development", _nobody),
            Attribute("1.iii", "The value that it produces as an output", _output),
            Attribute(
                "1.iv",
                "Whether that is a prediction, classification, recommendation, evaluation, analysis or other",
                _kind,
            ),
        ),
    ),
    Group(
        2,
        "Purpose of the intervention",
        (
            Attribute("2.i", "Intended use", _card("intended_use")),
            Attribute("2.ii", "Intended patient population", _see("2.i", "intended_use")),
            Attribute("2.iii", "Intended users", _see("2.i", "intended_use")),
            Attribute(
                "2.iv",
                "Intended role in decisions: informs, augments or replaces clinical management",
                _see("2.i", "intended_use"),
            ),
        ),
    ),
    Group(
        3,
        "Cautioned out-of-scope use",
        (
            Attribute(
                "3.i",
                "Tasks, situations or populations for which a user is cautioned against it",
                _card("out_of_scope"),
            ),
            Attribute(
                "3.ii", "Known risks, inappropriate settings, inappropriate uses, known limitations", _card("limits")
            ),
        ),
    ),
    Group(
        4,
        "Development details and input features",
        (
            Attribute("4.i", "Criteria of exclusion and inclusion that influenced the training data", _criteria),
            Attribute("4.ii", "Demographic and social variables among the input features", _features),
            Attribute(
                "4.iii", "How representative the training data are by those variables", _see("4.i", "training_data")
            ),
            Attribute(
                "4.iv", "Relevance of the training data to the setting it is deployed in", _see("3.i", "out_of_scope")
            ),
        ),
    ),
    Group(
        5,
        "Process used to ensure fairness in development",
        (
            Attribute("5.i", "How it was sought that the output is fair", _card("ethical_considerations", whole=False)),
            Attribute("5.ii", "How bias was managed, reduced or eliminated", _nobody),
        ),
    ),
    Group(
        6,
        "External validation process",
        (
            Attribute(
                "6.i",
                "Data source, clinical setting or environment, other than that of training and test data",
                _nobody,
            ),
            Attribute("6.ii", "Who conducted the external testing", _nobody),
            Attribute("6.iii", "How representative the external data are by demographic and social variables", _nobody),
            Attribute("6.iv", "The external validation process", _nobody),
        ),
    ),
    Group(
        7,
        "Quantitative measures of performance",
        (
            Attribute("7.i", "Validity in test data of the same source as the training data", _validity),
            Attribute("7.ii", "Fairness in test data of the same source as the training data", _fairness),
            Attribute("7.iii", "Validity in data external to that source", _nobody),
            Attribute("7.iv", "Fairness in data external to that source", _nobody),
            Attribute("7.v", "References to evaluations of its use on outcomes", _nobody),
        ),
    ),
    Group(
        8,
        "Ongoing maintenance of implementation and use",
        (
            Attribute("8.i", "Process and frequency by which validity is monitored over time", _program(_MONITORED)),
            Attribute("8.ii", "Validity in local data", _local),
            Attribute(
                "8.iii",
                "Process and frequency by which fairness is monitored over time",
                _program(_MONITORED_BY_FACILITY, whole=False),
            ),
            Attribute("8.iv", "Fairness in local data", _nobody),
        ),
    ),
    Group(
        9,
        "Update, and continued validation or fairness assessment",
        (
            Attribute("9.i", "Process and frequency by which it is updated", _program(_UPDATED, whole=False)),
            Attribute(
                "9.ii",
                "Frequency by which performance is corrected where risks of validity and fairness are found",
                _program(_CORRECTED, whole=False),
            ),
        ),
    ),
)


def answers(known: Known) -> dict[str, Answer]:
    """What is known of each attribute, by its number, in the order of the rule."""
    return {each.number: each.fill(known) for group in GROUPS for each in group.attributes}

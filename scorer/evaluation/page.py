"""An evaluation as a page: figures, plots, alarms, subgroups, and how it was made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from scorer import __version__
from scorer.errors import UserError
from scorer.evaluation import tables, wording
from scorer.evaluation.beside_naive import in_words
from scorer.evaluation.figures import Evaluation
from scorer.evaluation.pages import dress
from scorer.evaluation.pages.dress import Head, Html, Source, element, facts, figure, notes, section
from scorer.evaluation.plots import CAPTIONS, plots

_INTERVALS = (
    "Intervals are the middle 95 % of a bootstrap over clients. A landmark is an entity at an as-of time: scored by what was known then, "
    "no less and no more."
)
_NAIVE = (
    "The naive forecast is what one would say without a model: the prevalence, the shares of the classes, or the median of a client's own "
    "earlier outcomes (everyone's, where there is none)."
)


def page(evaluation: Evaluation) -> str:
    """The page as the text of a file. Raises UserError where matplotlib is missing."""
    sections = dict(_sections(evaluation))
    head = Head(
        title=f"Model {evaluation.model_version} of {evaluation.job}",
        headline=wording.headline(evaluation),
        places=[(id_, title) for id_, (title, _) in sections.items()],
    )
    return dress.page(
        head,
        notes(evaluation.remarks),
        [section(title, *content, id_=id_) for id_, (title, content) in sections.items()],
        foot=f"Made by scorer {__version__}. It names no entity.",
    )


def _sections(evaluation: Evaluation) -> Iterator[tuple[str, tuple[str, list[object]]]]:
    """By its id, the title of each section and what stands in it."""
    whole = evaluation.whole
    if whole.figures:
        yield "summary", ("Summary", _summary(evaluation))
    drawings = [figure(drawing, CAPTIONS[name]) for name, drawing in plots(evaluation).items()]
    if drawings:
        yield "plots", ("Plots", [element("div", drawings, class_="plots")])
    if whole.above:
        yield "alarms", ("Alarms", _alarms(evaluation))
    yield "cohort", ("Who was evaluated", [tables.attrition(evaluation)])
    if len(evaluation.groups) > 1:
        yield "subgroups", ("Subgroups", [*tables.subgroups(evaluation), _source(_INTERVALS)])
    yield "making", ("How this page was made", [_making(evaluation)])


def _source(says: str) -> Html:
    return dress.source_line(Source(says))


def _summary(evaluation: Evaluation) -> list[object]:
    naive = evaluation.naive
    said = "" if naive is None else in_words(naive)
    return [
        element("p", said) if said and said not in evaluation.remarks else None,
        tables.summary(evaluation),
        tables.by_class(evaluation),
        _source(" ".join([_INTERVALS, *_on_naive(evaluation)])),
    ]


def _on_naive(evaluation: Evaluation) -> Iterator[str]:
    """What the naive forecast is, and by which landmarks it is judged."""
    if evaluation.naive is None:
        return
    yield _NAIVE
    own, naive = (each.get("prevalence") for each in (evaluation.whole.figures, evaluation.naive.figures))
    if own is not None and naive is not None and own.value != naive.value:
        yield (
            "It is judged, and the model compared with it, by all landmarks with a score and a known outcome; others leave out those "
            "long after the event, so that the prevalences differ."
        )


def _alarms(evaluation: Evaluation) -> list[object]:
    own = evaluation.alarming(evaluation.whole)
    sentences = [
        f"The job alarms from the band {evaluation.alarm} on." if own else "The job names no band to alarm from."
    ]
    prevalence = evaluation.whole.figures.get("prevalence")
    if prevalence is not None and math.isfinite(prevalence.value):
        by_lot = wording.significant(100 * prevalence.value)
        sentences.append(f"Without a model, alarms by lot would have a PPV of {by_lot} %.")
    best = evaluation.pictures.best_threshold
    if math.isfinite(best):
        sentences.append(
            f"The best utility on this cohort would have come of alarming at {wording.exact(best)} and above, "
            f"{wording.exact(evaluation.pictures.best_utility)}: known only afterwards, and no promise."
        )
    _, left = tables.told(evaluation.whole.above)
    if left:
        sentences.append(
            f"Of the thresholds that are looked at, {left} say nothing new and are left out: there is no alarm above them, or those of "
            "another one are the same."
        )
    return [
        element("p", " ".join(sentences)),
        *tables.alarms(evaluation),
        _source(
            f"A ward of {tables.WARD} beds has {tables.WARD} entities at a time: its alarms in a day are so many times those of one. "
            "Sensitivity, specificity, PPV and utility are by landmark; one without a score has no alarm."
        ),
        tables.words(evaluation),
    ]


def _making(evaluation: Evaluation) -> Html:
    seen = evaluation.clients_seen
    return facts(
        [
            ("job version", element("code", evaluation.job_version)),
            ("model version", evaluation.model_version),
            ("cohort, SHA-256", element("code", evaluation.cohort_sha256)),
            (
                "clients that the model was trained on",
                "not known" if seen is None else f"{seen:,} of {evaluation.clients:,}",
            ),
            ("draws of the bootstrap", evaluation.draws),
            ("command", element("code", evaluation.command)),
        ]
    )


def write_page(report: Path, text: str) -> None:
    """Write a page to the file `report`. Raises UserError where the file cannot be written."""
    try:
        report.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"The page {report} cannot be written: {error.strerror}; nothing was kept.") from error

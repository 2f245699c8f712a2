"""Finding -> rejections: what was seen, as text, for each row or entity that broke a rule.

Texts are made column by column for all rows of a finding: there may be hundreds of thousands where a hospital's tables are dirty.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress

import numpy as np

from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.reading import quoted
from scorer.scoring.validation.rules import Finding, Rule
from scorer.types.arrays import NO_TIME, Floats, Integers, Observations
from scorer.types.values import Rejection

# No date of the database is so far from 1970, in microseconds: what is, is its infinity.
_ENDLESS = 2**62
# So many characters of a text from the database are shown, and stand in a key.
_SHOWN_CHARACTERS = 200
# So many findings of one rule about one entity are recorded one by one; the rest are counted.
_LISTED = 1000


def _time_texts(observations: Observations, rows: Integers) -> list[str]:
    times = observations.time[rows]
    texts = [f"{text}Z" for text in times.astype("M8[us]").astype(str).tolist()]
    for place in np.flatnonzero((times >= _ENDLESS) | (times <= -_ENDLESS)).tolist():
        time = int(times[place])
        texts[place] = "null" if time == NO_TIME else "infinity" if time > 0 else "-infinity"
    return texts


def _code_texts(observations: Observations, rows: Integers) -> list[str]:
    codes = (*observations.codes, "(none)")  # which -1 is
    return [codes[code] for code in observations.code[rows].tolist()]


def _value_texts(observations: Observations, rows: Integers) -> list[str]:
    texts = _number_texts(observations, "observation_value", observations.value, rows)
    for place in np.flatnonzero(observations.value_is_null[rows]).tolist():
        texts[place] = "null"
    return texts


def _number_texts(observations: Observations, name: str, values: Floats, rows: Integers) -> list[str]:
    """The numbers, or the texts that stood in their places."""
    texts = [*map(str, values[rows].tolist())]
    if name in observations.unread:
        for place, text in enumerate(observations.unread[name][rows].tolist()):
            if text is not None:
                texts[place] = quoted(text)
    return texts


# The columns of which a rejection shows what was seen, each with its texts of some rows.
SHOWN: Mapping[str, Callable[[Observations, Integers], list[str]]] = {
    "observation_date": _time_texts,
    "observation_type_code": _code_texts,
    "observation_value": _value_texts,
    "reference_range_min": lambda seen, rows: _number_texts(seen, "reference_range_min", seen.low, rows),
    "reference_range_max": lambda seen, rows: _number_texts(seen, "reference_range_max", seen.high, rows),
}


def observation_rejections(observations: Observations, finding: Finding) -> Iterator[Rejection]:
    """The first _LISTED rejections of each entity, and one more that says how many are not listed."""
    rule, rows = finding.rule, finding.broken
    if not len(rows):
        return
    rejection = _rejections_of(rule)
    entity_ids = [item.entity_id for item in observations.keys]
    entities = [entity_ids[position] for position in observations.position[rows].tolist()]
    if rule.once_per_entity:
        alike = Counter(zip(entities, _observed(rule, observations, rows), strict=True))
        found = Counter(entity_id for entity_id, _ in alike)
        for entity_id, observed in compress(alike, _listed(entity_id for entity_id, _ in alike)):
            yield rejection(
                entity_id, key_of(observed), f"{_cut(observed)} ({alike[entity_id, observed]} observations)"
            )
    else:
        found = Counter(entities)
        if max(found.values()) > _LISTED:
            listed = [*_listed(entities)]
            rows, entities = rows[np.array(listed)], [*compress(entities, listed)]
        ids = observations.observation_id[rows].tolist()
        for entity_id, key, observed in zip(entities, ids, _observed(rule, observations, rows), strict=True):
            yield rejection(entity_id, key_of(str(key)), _cut(observed))
    for entity_id, times in found.items():
        if times > _LISTED:
            yield rejection(entity_id, None, f"{times - _LISTED} more findings, which are not listed")


def entity_rejections(entity_ids: Sequence[str], frame: Frame, finding: Finding) -> Iterator[Rejection]:
    """A rejection for each entity that broke the finding's rule."""
    rejection = _rejections_of(finding.rule)
    for row in finding.broken.tolist():
        observed = " ".join(
            word_of(frame.texts[show][row]) if show in frame.texts else str(frame[show][row])
            for show in finding.rule.shows
        )
        yield rejection(entity_ids[row], None, _cut(observed))


def word_of(text: object) -> str:
    """A text from the database, or what stands for none.

    >>> word_of(None), word_of(""), word_of("F")
    ('(none)', '(empty)', 'F')
    """
    return "(none)" if text is None else str(text) or "(empty)"


def key_of(text: str) -> str:
    """The text; if it is too long for an index, its beginning and a hash, so that different texts differ."""
    if len(text) <= _SHOWN_CHARACTERS:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return f"{text[: _SHOWN_CHARACTERS - len(digest) - 2]}\N{HORIZONTAL ELLIPSIS} {digest}"


def _listed(entity_ids: Iterable[str]) -> Iterator[bool]:
    """Whether each is among the first _LISTED of its entity."""
    found: Counter[str] = Counter()
    for entity_id in entity_ids:
        found[entity_id] += 1
        yield found[entity_id] <= _LISTED


def _observed(rule: Rule, observations: Observations, rows: Integers) -> list[str]:
    """What was seen in each of the rows, in the columns that the rule shows."""
    texts = [
        SHOWN[show](observations, rows) if show in SHOWN else _further(observations, show, rows) for show in rule.shows
    ]
    return [*map(" ".join, zip(*texts, strict=True))] if texts else [""] * len(rows)


def _further(observations: Observations, name: str, rows: Integers) -> list[str]:
    """What a further column of the statement has in the rows; its name, where there is none."""
    if name not in observations.extras:
        return [name] * len(rows)
    return [
        f"{each:.15g}" if isinstance(each, float) else word_of(each)
        for each in observations.extras[name][rows].tolist()
    ]


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _rejections_of(rule: Rule) -> Callable[[str, str | None, str], Rejection]:
    """Makes rejections by a rule: of an entity, an observation's key or None, and what was seen."""
    name, action, column_name, expected = rule.name, rule.action, ", ".join(rule.shows or rule.columns), rule.expected

    def rejection(entity_id: str, observation_id: str | None, observed: str) -> Rejection:
        return Rejection(entity_id, observation_id, name, action, column_name, observed, expected)

    return rejection

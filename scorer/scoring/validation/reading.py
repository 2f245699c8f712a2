"""What the reading found, before any suite: text in a number's place, an entity in two rows.

These findings are of the program, as no suite could make them: it judges numbers, one row for each entity.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from scorer.scoring.validation.rules import Finding, Rule
from scorer.types.arrays import Attributes, Booleans, Integers, Observations
from scorer.types.enums import Action
from scorer.types.values import Rejection

_CODE, _VALUE = "observation_type_code", "observation_value"

_TWO_ROWS = "two rows or more in the attributes statement"
_SHOWN_CHARACTERS = 100

ONE_ROW = "one_row"
DATA_READABLE = "data_readable"
VALUE_IS_NUMBER = "value_is_number"
RANGE_IS_NUMBER = "range_is_number"
ATTRIBUTE_IS_NUMBER = "attribute_is_number"
RULES = frozenset({ONE_ROW, DATA_READABLE, VALUE_IS_NUMBER, RANGE_IS_NUMBER, ATTRIBUTE_IS_NUMBER})


def findings_of_rows(observations: Observations, *, refused: Booleans) -> list[Finding]:
    """The findings about observations; a rule that nothing broke is left out.

    A value that is no number is left out of the score, and told here unless the suite told it: `refused` (n,) are the rows that it
    dropped, or held their entity for. A reference range that is no number counts as none.
    """
    found = []
    if _VALUE in observations.unread:
        broken = np.flatnonzero(_is_text(observations.unread[_VALUE]) & ~refused)
        rule = _rule(VALUE_IS_NUMBER, Action.DROP, columns=(_VALUE,), expected="a number", shows=(_CODE, _VALUE))
        found.append(_finding(rule, broken, judged=len(observations)))
    for name in sorted(observations.unread.keys() - {_VALUE}):
        broken = np.flatnonzero(_is_text(observations.unread[name], or_blank=False))
        rule = _rule(RANGE_IS_NUMBER, Action.WARN, columns=(name,), expected="a number, or none", shows=(_CODE, name))
        found.append(_finding(rule, broken, judged=len(observations)))
    return [finding for finding in found if len(finding.broken)]


def findings_of_entities(attributes: Attributes) -> list[Finding]:
    """The findings about entities, by their attributes; a rule that none broke is left out.

    An entity with two rows is held: nobody can tell which of them holds. A number that is none counts as missing.
    """
    found = []
    if attributes.repeated is not None:
        rule = _rule(ONE_ROW, Action.QUARANTINE, columns=("entity_id",), expected="one row for each entity")
        found.append(_finding(rule, np.flatnonzero(attributes.repeated), judged=len(attributes.repeated)))
    for name in sorted(attributes.unread):
        texts = attributes.unread[name]
        rule = _rule(ATTRIBUTE_IS_NUMBER, Action.WARN, columns=(name,), expected="a number, or none")
        found.append(_finding(rule, np.flatnonzero(_is_text(texts, or_blank=False)), judged=len(texts)))
    return [finding for finding in found if len(finding.broken)]


def rejections_of_entities(entity_ids: Sequence[str], attributes: Attributes, finding: Finding) -> Iterator[Rejection]:
    """A rejection for each entity that broke a finding's rule."""
    rule = finding.rule
    (column,) = rule.columns
    for place in finding.broken.tolist():
        yield Rejection(
            entity_id=entity_ids[place],
            observation_id=None,
            rule=rule.name,
            action=rule.action,
            column_name=column,
            observed=_TWO_ROWS if rule.name == ONE_ROW else f"{column} {quoted(attributes.unread[column][place])}",
            expected=rule.expected,
        )


def quoted(text: str) -> str:
    """A text from the database in quotes, cut where it is long.

    >>> quoted("<0.01")
    "'<0.01'"
    """
    return f"'{text}'" if len(text) <= _SHOWN_CHARACTERS else f"'{text[:_SHOWN_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}'"


def _is_text(texts: npt.NDArray[np.object_], *, or_blank: bool = True) -> Booleans:
    """Which of the texts (n,) there is; of blanks alone only if `or_blank`."""
    return np.array(
        [text is not None and (or_blank or (not text.isspace() and text != "")) for text in texts], dtype=bool
    )


def _rule(name: str, action: Action, *, columns: tuple[str, ...], expected: str, shows: tuple[str, ...] = ()) -> Rule:
    return Rule(
        name=name,
        action=action,
        expectation="read",
        columns=columns,
        expected=expected,
        shows=shows,
        once_per_entity=False,
        min_rows=0,
        is_aggregate=False,
        entry={},
    )


def _finding(rule: Rule, broken: Integers, *, judged: int) -> Finding:
    return Finding(rule=rule, judged=judged, broken=broken, success=not len(broken), detail="")

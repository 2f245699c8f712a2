"""Arrays as PostgreSQL reads them from text: one literal, where a driver would write thousands of elements for the server to parse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def texts(values: Sequence[str]) -> str:
    r"""An array of text.

    >>> print(texts(["1", 'a"b', "c\\"]))
    {"1","a\"b","c\\"}
    """
    if not values:
        return "{}"
    # One replacement in all of them together, by a character that no text of PostgreSQL's can hold between them.
    told = "\0".join(values).replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + told.replace("\0", '","') + '"}'


def wholes(values: Iterable[int]) -> str:
    """An array of whole numbers.

    >>> wholes([1, -2])
    '{1,-2}'
    """
    return "{" + ",".join(map(str, values)) + "}"

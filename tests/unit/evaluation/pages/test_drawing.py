"""Drawings: in the page's colours, with a text of their own, the same each time, and with no id that another has."""

from __future__ import annotations

import builtins
import re
from typing import Any

import pytest

from scorer.errors import UserError
from scorer.evaluation.pages import drawing
from scorer.evaluation.pages.drawing import COLOURS, drawn, require_drawings


def bars(axes: Any) -> None:
    axes.bar(range(3), [1, 2, 3], color=COLOURS["c1"])
    axes.set(xlabel="<day>", ylabel="scores")


def test_it_is_one_element_in_the_pages_colours() -> None:
    made = drawn(bars, name="a", alt='3 bars, "so"')
    assert made.startswith('<svg role="img" aria-label="3 bars, &quot;so&quot;" viewBox=')
    assert made.endswith("</svg>")
    assert made.count("var(--c1)") == 3
    assert not [colour for colour in COLOURS.values() if colour in made]
    assert not re.search(r"<(style|script|metadata|image|\?xml)|xmlns|https?:|<!--", made)
    assert re.search(r"&lt;day&gt;", made)


def test_a_number_that_is_read_keeps_its_digits() -> None:
    made = drawn(lambda axes: axes.text(0.12345, 0.5, "MEDIUM 0.0257"), name="a", alt="")
    assert re.search(r">\s*MEDIUM 0\.0257\s*</text>", made)
    assert not re.search(r"<[^>]*\.[0-9]{3}[^>]*>", made)


def test_two_drawings_share_no_id() -> None:
    first, second = (set(re.findall(r' id="([^"]+)"', drawn(bars, name=name, alt=""))) for name in ("a", "b"))
    assert first
    assert not first & second


def test_each_id_is_named_by_something() -> None:
    made = drawn(bars, name="a", alt="")
    assert set(re.findall(r' id="([^"]+)"', made)) == set(re.findall(r'(?:href="#|url\(#)([^")]+)', made))


def test_it_is_the_same_each_time() -> None:
    assert drawn(bars, name="a", alt="") == drawn(bars, name="a", alt="")


def test_every_colour_stands_in_the_style() -> None:
    style = drawing.__file__.replace("drawing.py", "style.css")
    with open(style, encoding="utf-8") as file:  # noqa: PTH123 - a text beside the module
        text = file.read()
    for name in COLOURS:
        assert text.count(f"--{name}:") == 3, name  # light, dark and on paper


def test_without_matplotlib_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without(name: str, *more: Any, **given: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "matplotlib":
            raise ImportError(name)
        return found(name, *more, **given)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'scorer\[report\]'"):
        require_drawings()

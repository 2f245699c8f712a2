"""Drawings as SVG within a page: no script, no font, no other file.

A drawing is made by matplotlib in the colours below, each of which the page's style has under its name, so that it changes with the page.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable
from html import escape
from typing import Any

from scorer.errors import UserError
from scorer.evaluation.pages.dress import Html

# By the name that the style has for it, the colour as matplotlib is given it.
COLOURS = {
    "ink": "#1f2933",
    "soft": "#56626f",
    "line": "#d5dbe1",
    "blue": "#2a6fb1",
    "pale": "#c4d9ee",
    "red": "#b3362d",
    "c1": "#b3362c",
    "c2": "#d98a1f",
    "c3": "#2a6fb0",
    "c4": "#6f5aa8",
    "c5": "#2c7a4b",
    "c6": "#8a949e",
}
INK, SOFT, LINE, BLUE, PALE, RED = (COLOURS[name] for name in ("ink", "soft", "line", "blue", "pale", "red"))
SERIES = tuple(COLOURS[f"c{place}"] for place in range(1, 7))
WIDE, SMALL = (4.4, 2.1), (1.7, 1.0)  # inches
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "scorer",
    "font.family": "DejaVu Sans",  # which comes with matplotlib: the same room is left for a text everywhere
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def require_drawings() -> None:
    """Raises UserError where matplotlib is missing; to be called before minutes are spent."""
    try:
        logging.getLogger("matplotlib").setLevel(
            logging.ERROR
        )  # where it keeps what it knows of fonts is no one's concern
        import matplotlib as _  # noqa: F401, ICN001 - looked for alone
    except ImportError as error:
        raise UserError("A page with plots needs matplotlib; install it with pip install 'scorer[report]'.") from error


def drawn(draw: Callable[[Any], None], *, name: str, alt: str, size: tuple[float, float] = WIDE) -> Html:
    """What `draw` puts on the axes that it is given, as an <svg> element that says `alt` in words.

    `name` sets its parts apart from those of the page's other drawings. Raises UserError where matplotlib is missing.
    """
    require_drawings()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _within(written.getvalue(), name=name, alt=alt)


def _within(svg: str, *, name: str, alt: str) -> Html:
    """The <svg> element alone, in the page's colours.

    Its size is the page's to say; its ids are those that something names.
    """
    element = svg[svg.index("<svg") :].strip()
    element = re.sub(r"<metadata>.*?</metadata>\s*", "", element, flags=re.DOTALL)
    element = re.sub(r"<!--.*?-->\s*", "", element, flags=re.DOTALL)
    element = re.sub(r' (xmlns(:\w+)?|version)="[^"]*"', "", element)
    element = re.sub(r'^(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'^(<svg[^>]*?) height="[^"]*"', r"\1", element))
    used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', element))
    element = re.sub(r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", element)
    element = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", element).replace("xlink:href", "href")
    for colour, value in COLOURS.items():
        element = element.replace(value, f"var(--{colour})")
    element = re.sub(r"font: ([0-9.]+px) '[^']*'(, sans-serif)?", r"font: \1 sans-serif", element)
    element = re.sub(r"<style.*?</style>", "", element, flags=re.DOTALL)  # the page's own says it for all drawings
    # A hundredth of a point is finer than any screen; numbers that are to be read, between the tags, stay as they are.
    element = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\.[0-9]{2})[0-9]+", r"\1", tag[0]), element)
    element = re.sub(r"\s*\n\s*", "\n", element)
    element = re.sub(r"<(defs|g)>\s*</\1>\s*|<g/>\s*", "", element)
    return Html(element.replace("<svg ", f'<svg role="img" aria-label="{escape(alt)}" ', 1))

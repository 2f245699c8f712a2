"""The dress of every page: one HTML file without script, for screens and for paper.

What is put into an element is escaped, unless it is an element itself; so a page is made of elements, and never of texts joined.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources

_VOID = frozenset({"meta", "br", "rect", "line"})  # elements that have no end
_VIEWBOX = "viewBox"


class Html(str):
    """Text that is HTML: an element, or several; never what came from elsewhere."""

    __slots__ = ()


def element(name: str, /, *content: object, **attributes: object) -> Html:
    """An element with what is in it, and its attributes.

    Those that are None or False are left out.

    >>> element("p", "a < b ", element("em", "c"), class_="soft", hidden=False)
    '<p class="soft">a &lt; b <em>c</em></p>'
    """
    told = "".join(
        f" {_attribute(each)}" if value is True else f' {_attribute(each)}="{escape(str(value))}"'
        for each, value in attributes.items()
        if value is not None and value is not False
    )
    start = f"<{name}{told}>"
    return Html(start if name in _VOID else f"{start}{joined(*content)}</{name}>")


def joined(*content: object) -> Html:
    """What is given, one after the other, and all that is no element escaped.

    Lists are taken in their order, None as nothing.

    >>> joined("<", [element("br"), None, 7])
    '&lt;<br>7'
    """
    return Html("".join(_escaped(each) for each in content))


def _escaped(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, Html):
        return content
    if isinstance(content, list | tuple):
        return joined(*content)
    return escape(str(content))


def _attribute(name: str) -> str:
    return _VIEWBOX if name == _VIEWBOX else name.rstrip("_").replace("_", "-")


# Tables and figures


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its head, and whether its cells are numbers or long texts."""

    head: str
    number: bool = False
    text: bool = False

    @property
    def look(self) -> str | None:
        """The class of its cells in the page's style."""
        return "n" if self.number else "text" if self.text else None


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures come from: what they are, and the views that they are read from."""

    says: str
    views: Sequence[str] = ()


def numbers(*heads: str) -> tuple[Column | str, ...]:
    """Columns of numbers, by their heads."""
    return tuple(Column(head, number=True) for head in heads)


def text(head: str) -> Column:
    """A column of texts that may take several lines."""
    return Column(head, text=True)


def table(
    caption: str, columns: Sequence[Column | str], rows: Iterable[Sequence[object]], *, marked: Collection[int] = ()
) -> Html:
    """A table whose first column heads its rows; `marked` rows stand out.

    It scrolls by itself where it is wider than the page.
    """
    of = [each if isinstance(each, Column) else Column(each) for each in columns]
    heads = [element("th", each.head, scope="col", class_=each.look) for each in of]
    body = []
    for place, row in enumerate(rows):
        cells = [
            element("td" if at else "th", cell, class_=column.look, scope=None if at else "row")
            for at, (column, cell) in enumerate(zip(of, row, strict=True))
        ]
        body.append(element("tr", cells, class_="marked" if place in marked else None))
    made = element("table", element("caption", caption), element("thead", element("tr", heads)), element("tbody", body))
    return element("div", made, class_="wide", tabindex="0", role="group", aria_label=caption)


def figure(drawing: Html, caption: object, *, small: bool = False) -> Html:
    """A drawing with what it shows below it; the drawing's own `alt` says so in words."""
    return element("figure", drawing, element("figcaption", caption), class_="small" if small else None)


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names and what there is of each, side by side."""
    return element("dl", [element("div", element("dt", name), element("dd", told)) for name, told in pairs])


def source_line(source: Source) -> Html:
    """The definition of figures, and the views that they are read from."""
    views = [joined(", " if at else " From ", element("code", view)) for at, view in enumerate(source.views)]
    return element("p", source.says, views, "." if views else None, class_="source")


def section(
    title: str,
    *content: object,
    id_: str,
    level: int = 2,
    source: Source | None = None,
    whole: bool = False,
) -> Html:
    """A part of a page under its heading, closed by the definition of its figures.

    `whole`: among others it takes the width of the page.
    """
    heading = element(f"h{level}", title, id=id_)
    closing = None if source is None else source_line(source)
    return element("section", heading, *content, closing, aria_labelledby=id_, class_="whole" if whole else None)


def side_by_side(sections: Iterable[Html | None]) -> Html:
    """Sections beside each other where the page is wide enough; those that are None are left out."""
    return element("div", list(sections), class_="side")


def notes(texts: Sequence[object]) -> Html:
    """What must be known before all else; nothing where there is nothing."""
    return element("ul", [element("li", each) for each in texts], class_="notes") if texts else Html("")


# The page


@dataclass(frozen=True, slots=True)
class Head:
    """What stands over a page: its title, one line about it, where to go within it.

    `refresh_seconds` is how often it is to be loaded anew.

    `places` are ids of headings, each with the name to show.
    """

    title: str
    headline: str = ""
    places: Sequence[tuple[str, str]] = ()
    refresh_seconds: int | None = None


def page(head: Head, *content: object, foot: str) -> str:
    """The whole page as the text of a file."""
    style = resources.files(__package__).joinpath("style.css").read_text(encoding="utf-8")
    refresh = head.refresh_seconds
    metas = [
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        # Nothing is asked for from anywhere, whatever a page may hold.
        element("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        None if refresh is None else element("meta", http_equiv="refresh", content=refresh),
    ]
    links = [element("li", element("a", name, href=f"#{id_}")) for id_, name in head.places]
    parts = [
        element("header", element("h1", head.title), element("p", head.headline, class_="soft")),
        element("nav", element("ul", links), aria_label="Contents") if links else None,
        element("main", *content),
        element("footer", element("p", foot)),
    ]
    whole = element(
        "html",
        element("head", *metas, element("title", head.title), element("style", Html(style))),
        element("body", *parts),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{whole}\n"

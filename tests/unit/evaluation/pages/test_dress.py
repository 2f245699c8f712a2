"""Elements escape what they are given, tables have their heads, and a page asks for nothing."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from scorer.evaluation.pages.dress import (
    Column,
    Head,
    Html,
    Source,
    element,
    facts,
    figure,
    joined,
    notes,
    numbers,
    page,
    section,
    side_by_side,
    table,
    text,
)

HOSTILE = '<script>alert(1)</script> & "><img src=x>'


@pytest.mark.parametrize(
    "made",
    [
        element("p", HOSTILE),
        element("p", [HOSTILE, [HOSTILE]]),
        element("p", "x", title=HOSTILE),
        joined(HOSTILE, None, 7),
        table(HOSTILE, [HOSTILE, Column(HOSTILE, number=True)], [[HOSTILE, HOSTILE]]),
        facts([(HOSTILE, HOSTILE)]),
        section(HOSTILE, HOSTILE, id_="a", source=Source(HOSTILE, [HOSTILE])),
        notes([HOSTILE]),
        figure(Html("<svg></svg>"), HOSTILE),
        page(Head(HOSTILE, HOSTILE, places=[("a", HOSTILE)]), HOSTILE, foot=HOSTILE),
    ],
)
def test_whatever_is_given_is_escaped(made: str) -> None:
    assert "<script" not in made
    assert "<img" not in made
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;&gt;&lt;img src=x&gt;" in made


def test_an_element_within_is_left_as_it_is() -> None:
    assert element("p", element("b", "<")) == "<p><b>&lt;</b></p>"
    assert (
        element("svg", element("rect", width=3), viewBox="0 0 1 1") == '<svg viewBox="0 0 1 1"><rect width="3"></svg>'
    )


def test_what_is_joined_to_an_element_is_no_element() -> None:
    """So a text that was put together by hand is escaped as a whole: nothing slips through."""
    assert element("p", f"{element('b', 'x')} <i>") == "<p>&lt;b&gt;x&lt;/b&gt; &lt;i&gt;</p>"


def test_a_table_heads_its_columns_and_rows() -> None:
    made = table("All", ["job", *numbers("runs"), text("why")], [["a", 1, "x"], ["b", 2, "y"]], marked=[1])
    assert made.count('scope="col"') == 3
    assert made.count('<th scope="row">') == 2
    assert '<td class="n">2</td>' in made
    assert '<tr class="marked"><th scope="row">b</th>' in made
    assert "<caption>All</caption>" in made


def test_a_row_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        table("All", ["job", "runs"], [["a"]])


def test_definitions_name_their_views() -> None:
    made = section("Runs", id_="runs", source=Source("What ran.", ["reporting.runs", "reporting.ticks"]))
    assert "What ran. From <code>reporting.runs</code>, <code>reporting.ticks</code>." in made
    assert 'aria-labelledby="runs"' in made
    assert side_by_side([None, section("x", id_="x")]).count("<section") == 1


class Tags(HTMLParser):
    """Every tag in its order, and that each is closed."""

    def __init__(self, made: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.feed(made)

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - as it is called
        self.seen.append(tag)
        if tag not in {"meta", "br", "rect", "line"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_has_its_landmarks_and_asks_for_nothing() -> None:
    made = page(Head("Title", "One line.", places=[("a", "A")], refresh_seconds=30), section("A", id_="a"), foot="End.")
    tags = Tags(made)
    assert tags.open == []
    assert [tag for tag in tags.seen if tag in {"header", "nav", "main", "footer"}] == [
        "header",
        "nav",
        "main",
        "footer",
    ]
    assert {"script", "link", "img", "iframe"}.isdisjoint(tags.seen)
    assert 'http-equiv="refresh" content="30"' in made
    assert "default-src &#x27;none&#x27;" in made
    assert "url(" not in made
    assert "@import" not in made
    assert "refresh" not in page(Head("Title"), foot="")
    assert notes([]) == ""

"""Drawings: text stays text, names are escaped, colours are the page's."""

from __future__ import annotations

from typing import Any

from facefeat.report import drawing


def drawn(name: str = "p") -> str:
    def draw(figure: Any) -> None:
        axes = figure.add_subplot()
        axes.plot([1, 2], [1, 3], "o-", color=drawing.looks(["lda"])["lda"].colour, label="<b>$x$ & y")
        drawing.legend(axes)

    return drawing.drawn(name, 'a "label" & more', draw)


def test_a_drawing_is_text_of_the_page() -> None:
    svg = drawn()
    assert svg.startswith('<svg role="img" aria-label="a &#34;label&#34; &amp; more" viewBox="0 0 331.2 230.4">')
    assert "&lt;b&gt;$x$ &amp; y</text>" in svg and "font-family" not in svg and "<style" not in svg
    assert "var(--c1)" in svg and "var(--soft)" in svg and "#0a0" not in svg


def test_ids_of_two_drawings_differ_and_the_same_one_is_the_same() -> None:
    assert drawn() == drawn()
    one, other = drawn("a"), drawn("b")
    assert one != other and one.replace('"a-', '"b-').replace("#a-", "#b-") == other


def test_heads_keep_their_look_in_any_order_and_differ() -> None:
    names = [f"head{number}" for number in range(20)]
    looks = drawing.looks(names)
    assert looks == drawing.looks(names[::-1]) and len(set(looks.values())) == 20

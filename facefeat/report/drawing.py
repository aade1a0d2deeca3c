"""Plots as SVG that lies in a page: text stays text, and colours are the page's own, so they follow light and dark."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 4.6, 3.2  # inches, of 72 units: a unit is about a pixel on a telephone
COLOURS = 8  # of heads, in the page's style

# What stands in for a colour until the page's variable takes its place.
INK, SOFT, LINE, SHADE, CARD, WARN = _ROLES = tuple(f"#0a0b{number:02x}" for number in range(1, 7))
_HEADS = tuple(f"#0a0c{number:02x}" for number in range(1, COLOURS + 1))
_NAMES = dict(zip(_ROLES, ("ink", "soft", "line", "shade", "card", "warn"), strict=True)) | {
    colour: f"c{number}" for number, colour in enumerate(_HEADS, 1)
}
_MARKERS = "os^DvP*X"
# The page's own in light, for plots that lie in no page; some viewers know no variables.
_LIGHT = {
    **{
        "ink": "#1c1f23",
        "soft": "#5b636d",
        "line": "#e2e4e0",
        "shade": "#f1f2ee",
        "card": "#ffffff",
        "warn": "#b45309",
    },
    **{"c1": "#2f7df4", "c2": "#990000", "c3": "#7f8f63", "c4": "#400044"},
    **{"c5": "#d17700", "c6": "#a05ba1", "c7": "#2d564d", "c8": "#001100"},
}

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "facefeat",
    "text.parse_math": False,
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.8,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.04,
}


@dataclass(frozen=True)
class Look:
    """How a head is drawn in every plot.

    Attributes
    ----------
    colour : str
        Stands for one of the page's.
    marker : str
        Of matplotlib.
    """

    colour: str
    marker: str


@dataclass(frozen=True)
class Plot:
    """A plot with what is said about it.

    Attributes
    ----------
    name : str
        Its id in the page.
    title : str
    reading : str
        How to read it, for somebody who never saw one.
    svg : str
        To be put into a page as it is; nothing in it is but what was drawn.
    tall : bool
        Whether it has about twice the height of others.
    """

    name: str
    title: str
    reading: str
    svg: str
    tall: bool = False


def looks(heads: Sequence[str]) -> dict[str, Look]:
    """Give each head a colour and a marker; the same heads get the same ones, whatever their order.

    Examples
    --------
    >>> looks(["svm", "lda"])["lda"] == looks(["lda", "svm"])["lda"]
    True
    """
    return {
        head: Look(_HEADS[number % COLOURS], _MARKERS[(number + number // COLOURS) % len(_MARKERS)])
        for number, head in enumerate(sorted(set(heads)))
    }


def drawn(name: str, label: str, draw: Callable[[Figure], None], height: float = HEIGHT) -> str:
    """Draw a figure as SVG; the same figure gives the same text.

    Parameters
    ----------
    name : str
        Stands before every id, so that those of several plots differ.
    label : str
        What it shows, for those who do not see it.
    draw : callable
        Called with the empty figure.
    height : float
        In inches.

    Returns
    -------
    str
    """
    logger = logging.getLogger("matplotlib")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)  # that it lists its fonts once is no news to anybody
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever the user's own style is
        matplotlib.rcParams.update(_STYLE)
        figure, text = Figure((WIDTH, height), layout="constrained"), StringIO()
        figure.patch.set_visible(False)
        draw(figure)
        for axes in figure.axes:
            axes.patch.set_visible(False)
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return _embedded(text.getvalue(), name, label)


def standalone(svg: str) -> str:
    """Make a file of what ``drawn`` returns: on white, in the colours of the page in light."""
    coloured = re.sub(r"var\(--(\w+)\)", lambda found: _LIGHT[found[1]], svg)
    head, _, body = coloured.partition(">")
    namespace = ' xmlns="http://www.w3.org/2000/svg" font-family="system-ui, sans-serif"'
    return f'{head}{namespace}><rect width="100%" height="100%" fill="{_LIGHT["card"]}"/>{body}\n'


def legend(axes: Axes, columns: int = 3) -> None:
    """Put the legend of an axes above it, where it covers nothing; what was drawn last, and lies on top, is named first."""
    lines, names = axes.get_legend_handles_labels()
    if lines:
        where: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "borderaxespad": 0.2}
        axes.legend(lines[::-1], names[::-1], ncols=columns, handletextpad=0.5, **where)


def _embedded(text: str, name: str, label: str) -> str:
    """Take out what only a file needs, and make ids and colours those of a page."""
    from markupsafe import escape

    _, _, rest = text.partition("<svg")
    head, _, body = rest.partition(">")
    for useless in (r"<metadata>.*?</metadata>", r"<defs>\s*<style.*?</style>\s*</defs>", r"<!--.*?-->"):
        body = re.sub(useless, "", body, flags=re.DOTALL)
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body).replace("xlink:href", "href")
    used = set(re.findall(r"(?:href=\"|url\()#([^\")]+)", body))
    body = re.sub(r' id="([^"]+)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", body)
    body = re.sub(r'((?:href="|url\()#)', rf"\1{name}-", body)
    body = re.sub(r"#0a0[bc]0\d", lambda found: f"var(--{_NAMES[found[0]]})", body)
    body = re.sub(r"\s*\n\s*", " ", body)
    (box,) = re.findall(r'viewBox="[^"]+"', head)
    return f'<svg role="img" aria-label="{escape(label)}" {box}>{body}'

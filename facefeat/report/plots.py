"""The plots of a comparison and of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from facefeat.data.folder import printable
from facefeat.learn.calibration import Calibration
from facefeat.learn.comparison import Comparison, Row
from facefeat.learn.metrics import Share
from facefeat.learn.openset import GRID
from facefeat.learn.rates import Curve, false_negative_at, measurable
from facefeat.report import words
from facefeat.report.drawing import CARD, INK, LINE, SHADE, SOFT, WARN, Look, Plot, drawn, legend, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 12  # rows whose accuracies are drawn
_FLOOR = 1e-3  # of rates on a logarithmic axis
_ROW = 0.42  # inches
_HOLLOW = " Hollow marks are worse, and not by chance."
_READING_RANKS = "How often the right person is among the first k names that a head proposes; the first is its answer."


def of_comparison(found: Comparison) -> list[Plot]:
    """Draw whatever a comparison has figures for."""
    styles = looks([row.head for row in found.rows])
    of_head = {row.head: row for row in reversed(found.rows)}
    best = sorted(of_head.values(), key=found.rows.index)
    plots = [_accuracy(found, styles), _time(found, styles)]
    if found.trials and any(row.open_set for row in best):
        plots.append(_strangers(best, found.trials.n_stranger_pictures, styles))
    if len(found.best.cmc) > 1:
        plots.append(_ranks(best, styles))
    if found.best.calibration:
        plots.append(_reliability(found.best, found.best.calibration, styles[found.best.head]))
    return plots


def of_evaluation(cmc: Sequence[Share], curve: Curve | None, fpir: Share, fnir: Share, n_strangers: int) -> list[Plot]:
    """Draw the ranks and, where there are strangers, both errors at every threshold."""
    look = looks(["model"])["model"]
    plots = [_ranks_of_one(cmc, look)] if len(cmc) > 1 else []
    if curve is not None:
        plots.append(_errors_of_one(curve, fpir, fnir, n_strangers, look))
    return plots


def _accuracy(found: Comparison, styles: dict[str, Look]) -> Plot:
    rows = found.rows[:SHOWN]
    left = min(row.accuracy.low for row in rows)
    left, right = max(0.0, left - 0.08 * (1 - left) - 0.005), 1 + 0.02 * (1.01 - left)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, row in enumerate((*rows, *found.baselines)):
            look = styles.get(row.head, Look(SOFT, "|"))
            if row.accuracy.mean < left:
                axes.text(left, place, f" ◂ {words.percent(row.accuracy.mean)}", va="center", color=SOFT, size=10.5)
                continue
            axes.plot([row.accuracy.low, row.accuracy.high], [place, place], color=look.colour, alpha=0.55, lw=2.5)
            axes.plot([row.accuracy.mean], [place], look.marker, **_face(row, look))
        names = [printable(f"{row.head} {words.layer(row.layer)}".strip()) for row in (*rows, *found.baselines)]
        axes.set_yticks(range(len(names)), names, size=10.5, color=INK)
        axes.set(xlim=(left, right), ylim=(len(names) - 0.4, -0.6))
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        _percent(axes.xaxis, max_ticks=5)

    n = len(rows) + len(found.baselines)
    label = f"Accuracy of {words.counted(len(rows), 'row')} with 95 % intervals; best {_said(rows[0].accuracy)}"
    svg = drawn("accuracy", label, draw, height=max(1.6, 0.55 + _ROW * n))
    more = f" The best {SHOWN} of {len(found.rows)}." if len(found.rows) > SHOWN else ""
    hollow = _HOLLOW if not all(row.tied for row in rows) else ""
    reading = f"A mark is the share named right, its line where the truth lies with 95 % confidence.{hollow}{more}"
    return Plot("accuracy", "Accuracy", reading, svg, tall=n > 8)


def _time(found: Comparison, styles: dict[str, Look]) -> Plot:
    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row in reversed(found.rows):  # the best lies on top
            look = styles[row.head]
            axes.plot([max(row.fit_seconds, 1e-6)], [row.accuracy.mean], look.marker, **_face(row, look))
        for head, look in reversed(styles.items()):
            axes.plot([], [], look.marker, color=look.colour, label=head)
        axes.set(xscale="log", xlabel="time to fit")
        axes.margins(0.08)
        axes.xaxis.set_major_formatter(lambda value, _: _duration(value))
        _few_ticks(axes)
        _percent(axes.yaxis)
        legend(axes)

    label = f"Time to fit against accuracy, for {words.counted(len(found.rows), 'row')}"
    hollow = _HOLLOW if not all(row.tied for row in found.rows) else ""
    reading = f"Every mark is a head on a layer: the higher the better, the further left the sooner fitted.{hollow}"
    return Plot("time", "Time and accuracy", reading, drawn("time", label, draw))


def _strangers(best: Sequence[Row], n_strangers: int, styles: dict[str, Look]) -> Plot:
    curves = {row.head: row.open_set.det for row in best if row.open_set}

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        low = _det(axes, [rate for rates in curves.values() for rate in rates], n_strangers)
        for head, rates in reversed(curves.items()):
            look, over = styles[head], [max(rate, low) for rate in rates]
            axes.plot(GRID, over, look.marker, ls="-", color=look.colour, label=head, markevery=(6, 12), ms=5)
        legend(axes)

    label = f"Strangers named against known faces missed, for {words.listed(list(curves))}"
    none = any(rate == 0 for rates in curves.values() for rate in rates)
    return Plot("det", "Strangers (DET)", _reading(n_strangers, none), drawn("det", label, draw))


def _errors_of_one(curve: Curve, fpir: Share, fnir: Share, n_strangers: int, look: Look) -> Plot:
    rates = [false_negative_at(curve, rate) for rate in GRID]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        low = _det(axes, rates, n_strangers)
        axes.plot(GRID, [max(rate, low) for rate in rates], color=look.colour)
        here = [max(fpir.mean, GRID[0])], [max(fnir.mean, low)]
        axes.plot(*here, "o", color=WARN, label="at the model's threshold", clip_on=False)
        legend(axes, 1)

    label = "Strangers named against known faces missed, at every threshold"
    return Plot("det", "Strangers (DET)", _reading(n_strangers, 0 in rates), drawn("det", label, draw))


def _det(axes: Axes, rates: Sequence[float], n_strangers: int) -> float:
    """Lay out both kinds of errors on logarithmic axes, shade where strangers are too few to tell, and return the lower edge.

    What is none is drawn there: a logarithmic axis has no place for it.
    """
    unknown = [rate for rate in GRID if not measurable(n_strangers, rate)]
    if unknown:
        axes.axvspan(GRID[0] / 2, unknown[-1], color=SHADE, lw=0, zorder=0)
    low = max(_FLOOR, min((rate for rate in rates if rate > 0), default=0.1) / 1.6)
    axes.set(xscale="log", yscale="log", xlim=(GRID[0], 1), ylim=(low, 1.1))
    axes.set(xlabel="strangers given a name (FPIR)", ylabel="known faces missed (FNIR)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
    _few_ticks(axes)
    return low


def _reading(n_strangers: int, none: bool) -> str:
    edge = " At the lower edge nobody is missed." if none else ""
    shaded = [rate for rate in GRID if not measurable(n_strangers, rate)]
    shade = f" Shaded: too few pictures of strangers ({n_strangers:,}) to tell." if shaded else ""
    return (
        f"Each point is a threshold, a strict one on the left. The nearer to the lower left, the better.{edge}{shade}"
    )


def _ranks(best: Sequence[Row], styles: dict[str, Look]) -> Plot:
    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row in reversed(best):
            look = styles[row.head]
            axes.plot(range(1, len(row.cmc) + 1), row.cmc, look.marker, ls="-", color=look.colour, label=row.head, ms=5)
        _cmc(axes, len(best[0].cmc))
        legend(axes)

    label = f"Share of pictures whose own person is among the first k, for {words.listed([row.head for row in best])}"
    return Plot("cmc", "Ranks (CMC)", _READING_RANKS, drawn("cmc", label, draw))


def _ranks_of_one(cmc: Sequence[Share], look: Look) -> Plot:
    def draw(figure: Figure) -> None:
        axes, ranks = figure.add_subplot(), range(1, len(cmc) + 1)
        axes.fill_between(ranks, [one.low for one in cmc], [one.high for one in cmc], color=look.colour, alpha=0.15)
        axes.plot(ranks, [one.mean for one in cmc], look.marker, ls="-", color=look.colour)
        _cmc(axes, len(cmc))

    label = f"Share of pictures whose own person is among the first k; the first {_said(cmc[0])}"
    return Plot("cmc", "Ranks (CMC)", f"{_READING_RANKS} Shaded: 95 % intervals.", drawn("cmc", label, draw))


def _cmc(axes: Axes, most: int) -> None:
    least = min(axes.get_ylim()[0], 0.98)  # what is nearly all right shall look so
    axes.set(
        xlabel="first k names", xticks=range(1, most + 1), ylim=(least - 0.05 * (1 - least), 1 + 0.08 * (1 - least))
    )
    _percent(axes.yaxis)


def _reliability(row: Row, found: Calibration, look: Look) -> Plot:
    said, right = [one.probability for one in found.bins], [one.right for one in found.bins]

    def draw(figure: Figure) -> None:
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        axes.plot([0, 1], [0, 1], color=SOFT, ls=(0, (4, 3)), lw=1)
        axes.vlines(
            said, [one.low for one in right], [one.high for one in right], color=look.colour, alpha=0.55, lw=2.5
        )
        axes.plot(said, [one.mean for one in right], look.marker, color=look.colour)
        axes.set(xlim=(0, 1.02), ylim=(-0.03, 1.05), ylabel="was right")
        widths = [one.high - one.low for one in found.bins]
        bars = {"align": "edge", "color": look.colour, "alpha": 0.75, "edgecolor": CARD}
        below.bar([one.low for one in found.bins], [one.n for one in found.bins], widths, **bars)
        below.set(yscale="log", ylabel="pictures", xlabel="probability of the name given", ylim=(0.7, None))
        below.grid(axis="x", color=LINE)
        below.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _few_ticks(below)
        for axis in (axes.yaxis, below.xaxis):
            _percent(axis)

    name = f"{row.head} on {words.layer(row.layer)}"
    label = f"Probability said against share right, for {name}; ECE {found.ece:.3f}"
    reading = (
        f"{name}: marks on the dashed line mean what they say, those under it claim too much. "
        "Lines are 95 % intervals; below, how many pictures each mark stands for."
    )
    return Plot("reliability", "Reliability", reading, drawn("reliability", label, draw, height=3.6))


def _face(row: Row, look: Look) -> dict[str, Any]:
    """Fill the mark of a row, unless it is worse than the best and not by chance."""
    tied = row.tied or not row.layer
    return {"color": look.colour, "markerfacecolor": look.colour if tied else CARD, "markeredgewidth": 1.5}


def _said(share: Share) -> str:
    return f"{words.percent(share.mean)} ({words.interval(share)})"


def _duration(seconds: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size * 0.999:
            return f"{seconds / size:g} {unit}"
    return f"{seconds / 1e-6:g} µs"


def _percent(axis: Any, max_ticks: int = 6) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(max_ticks, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(lambda value, _: f"{100 * value:g} %" if value < 1.001 else "")


def _few_ticks(axes: Axes) -> None:
    """Label the powers of ten only or, where there are fewer than two of them, what lies between as well."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if axis.get_scale() != "log":
            continue
        powers = [n for n in range(-9, 10) if low <= 10.0**n <= high]
        subs = (1.0,) if len(powers) > 1 else (1.0, 2.0, 5.0)
        axis.set_major_locator(LogLocator(10, subs=subs) if high > 5 * low else MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.set_minor_formatter(NullFormatter())

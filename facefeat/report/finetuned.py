"""What is said of a network that was tuned: table, sentences, curves, and the JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from facefeat.data.folder import escaped
from facefeat.report.documents import finite, share
from facefeat.report.drawing import INK, SOFT, drawn, legend, looks, standalone
from facefeat.report.tables import facts, shown
from facefeat.report.words import counted, interval, layer, listed, percent, skipped_summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from facefeat.tune.finetune import Finetuned, Fold
    from facefeat.tune.payoff import Chosen
    from facefeat.tune.schedule import History

NAMED = 5  # people in a sentence
MANY = 25  # epochs that are drawn without marks

_ENDED = {
    "patience": "then the validation loss fell no more",
    "epochs": "which was as many as were asked for",
    "nan": "then the loss was no number any more; a lower --learning-rate may help",
}
_VERDICTS = {
    "paid": "Fine-tuning paid: on pictures that it did not see, the tuned network is better, and not by chance.",
    "did not pay": "Fine-tuning did not pay: on pictures that it did not see, the tuned network is no better than the "
    "frozen one. Use the frozen one.",
    "cannot be told": "Whether fine-tuning paid cannot be told: the tuned network is ahead on pictures that it did not "
    "see, but chance alone would often do that.",
}


def table(made: Finetuned, verbose: bool = False) -> RenderableType:
    """Lay out what a fine-tuning did, and whether it paid; at most 100 columns wide."""
    lines: list[RenderableType] = [facts(_rows(made, verbose), margin=0), Text()]
    lines += [Text(_VERDICTS[made.payoff.verdict], style="bold"), Text(caution(made), style="yellow")]
    return Padding(Group(*lines), (0, 0, 0, 1))


def _rows(made: Finetuned, verbose: bool) -> list[tuple[str, str]]:
    found = made.payoff
    rows = [
        ("network", f"{made.plan.recipe.backbone}, {_trained(made)}; begun with the weights {made.plan.weights.name}"),
        ("pictures", _pictures(made)),
        *(("train only", line) for line in filter(None, [_train_only(made)])),
        *_skipped(made, verbose),
        *((f"training{_which(made, number)}", _training(fold.history)) for number, fold in enumerate(made.folds)),
        ("frozen", _accuracy(made, "frozen")),
        ("tuned", _accuracy(made, "tuned")),
        ("difference", _difference(made)),
        ("tested on", counted(found.n_tested, "picture") + " that no training saw, by heads chosen on others"),
        ("made by", made.ran_on),
        ("time", f"{made.seconds:.1f} s"),
        ("output", f"{escaped(str(made.output))}, SHA-256 {made.weights_sha256[:12]}{_of_fold(made)}"),
    ]
    return rows


def _trained(made: Finetuned) -> str:
    unfreeze = made.schedule.unfreeze
    return "all of it trained" if unfreeze == "all" else f"trained from {unfreeze} on"


def _pictures(made: Finetuned) -> str:
    first = made.folds[0].split
    sides = f"{len(first.train):,} train, {len(first.validation):,} say when to stop, {len(first.test):,} are tested"
    copies = made.schedule.augment
    return (
        f"{len(made.faces):,} of {counted(len(made.faces.people), 'person', 'people')}: {sides}"
        + (f"; {counted(copies, 'altered copy', 'altered copies')} of each that trains" if copies else "")
    )  # fmt: skip


def _train_only(made: Finetuned) -> str:
    names = [escaped(name) for name in made.train_only]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"fewer than three photographs, so never tested: {', '.join(names[:NAMED])}{more}" if names else ""


def _skipped(made: Finetuned, verbose: bool) -> list[tuple[str, str]]:
    skipped = made.faces.skipped
    if not skipped:
        return []
    rows = [("skipped", f"{len(skipped):,}: {skipped_summary(skipped)}")]
    rows += [("", f"{one.path}: {one.message}") for one in shown(skipped, verbose)]
    return (
        rows
        if len(rows) > len(skipped)
        else [*rows, ("", f"... and {len(skipped) + 1 - len(rows)} more; -v lists them")]
    )


def _which(made: Finetuned, number: int) -> str:
    return f" {number + 1}" if len(made.folds) > 1 else ""


def _training(found: History) -> str:
    best = found.kept
    return (
        f"{counted(len(found.epochs), 'epoch')}, {_ENDED[found.why]}; kept is epoch {found.best}, of validation loss "
        f"{best.validation_loss:.2f} and accuracy {percent(best.validation_accuracy)}"
    )


def _accuracy(made: Finetuned, which: str) -> str:
    found = getattr(made.payoff, which)
    chosen: list[Chosen] = [getattr(fold, which) for fold in made.folds]
    names = Counter(f"{one.head} on {layer(one.layer)}" for one in chosen)
    n = len(chosen)
    said = [name if n == 1 else f"{name} ({times} of {counted(n, 'fold')})" for name, times in names.most_common()]
    return f"{percent(found.mean)} named right (95 % interval {interval(found)}), by {listed(said)}"


def _difference(made: Finetuned) -> str:
    found, its = made.payoff, made.payoff.difference
    return (
        f"{100 * its.mean + 0.0:+.1f} points (95 % interval {100 * its.low:.1f} to {100 * its.high:.1f}), p = "
        f"{its.p_value:.2f}: {found.only_tuned} right by the tuned one alone, {found.only_frozen} by the frozen one alone; "
        "McNemar's exact test"
    )


def _of_fold(made: Finetuned) -> str:
    return "; the network of the first fold" if len(made.folds) > 1 else ""


def caution(made: Finetuned) -> str:
    """Say what figures of the tuned network may be believed."""
    n = len(made.faces) - len(made.folds[0].split.test)
    return (
        f"Vectors of the {n:,} pictures that trained it flatter it: cross-validation on them says nothing. Compare it on "
        "pictures that it did not see: facefeat compare --test."
    )


def following(made: Finetuned) -> str:
    """Return the command that comes next."""
    if made.payoff.verdict == "did not pay":
        return "facefeat extract " + escaped(str(made.dataset.root))
    return f"facefeat extract {escaped(str(made.dataset.root))} --weights {escaped(str(made.output))} -o tuned.h5"


def picture(made: Finetuned) -> str:
    """Draw loss and accuracy over the epochs of the first fold, as an SVG file."""
    found = made.folds[0].history
    numbers = [one.number for one in found.epochs]
    styles = looks(["training", "validation"])

    def draw(figure: Figure) -> None:
        losses, shares = figure.subplots(2, 1, sharex=True)
        for name, look in styles.items():
            start = "" if name == "training" else "validation_"
            mark = look.marker if len(numbers) < MANY else None
            for axes, what in ((losses, "loss"), (shares, "accuracy")):
                values = [getattr(one, f"{start}{what}") for one in found.epochs]
                axes.plot(numbers, values, "-", marker=mark, color=look.colour, label=name, ms=4)
        for axes in (losses, shares):
            axes.axvline(found.best, color=SOFT, ls=(0, (4, 3)), lw=1)
        side = "right" if 2 * found.best > len(numbers) else "left"
        losses.text(found.best, losses.get_ylim()[1], f" kept: {found.best} ", va="top", ha=side, color=INK, size=10)
        losses.set(ylabel="loss")
        shares.set(ylabel="named right", xlabel="epoch")
        shares.xaxis.get_major_locator().set_params(integer=True)
        shares.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %" if value < 1.001 else "")
        legend(losses)

    label = f"Loss and accuracy over {counted(len(numbers), 'epoch')}; epoch {found.best} was kept"
    return standalone(drawn("training", label, draw, height=4.4))


def document(made: Finetuned) -> dict[str, Any]:
    """Describe a fine-tuning; schema ``facefeat/finetune/1``."""
    found = made.payoff
    difference = {name: finite(value) for name, value in asdict(found.difference).items()}
    return {
        "schema": "facefeat/finetune/1",
        "output": escaped(str(made.output)),
        "weights_sha256": made.weights_sha256,
        "begun_with": {"name": made.plan.weights.name, "sha256": made.plan.recipe.weights_sha256},
        "backbone": made.plan.recipe.backbone,
        "settings": made.schedule.as_dict(),
        "size": made.plan.recipe.input_size,
        "images": len(made.faces),
        "people": len(made.faces.people),
        "train_only": [escaped(name) for name in made.train_only],
        "skipped": [{"path": one.path, "code": one.code, "message": one.message} for one in made.faces.skipped],
        "scores": {
            "frozen": share(found.frozen),
            "tuned": share(found.tuned),
            "difference": difference,
            "only_frozen": found.only_frozen,
            "only_tuned": found.only_tuned,
            "tested": found.n_tested,
        },
        "verdict": found.verdict,
        "sentences": [_VERDICTS[found.verdict], caution(made)],
        "folds": [_fold(made, fold) for fold in made.folds],
        "ran_on": made.ran_on,
        "seconds": round(made.seconds, 3),
    }


def _fold(made: Finetuned, fold: Fold) -> dict[str, Any]:
    split, found = fold.split, fold.history
    return {
        "train": len(split.train),
        "validation": len(split.validation),
        "test": [made.faces.paths[row] for row in split.test],
        "best_epoch": found.best,
        "ended": found.why,
        "epochs": [asdict(one) for one in found.epochs],
        "frozen": _head(fold.frozen),
        "tuned": _head(fold.tuned),
    }


def _head(chosen: Chosen) -> dict[str, Any]:
    right = float(chosen.right.mean()) if len(chosen.right) else None
    return {"head": chosen.head, "layer": chosen.layer, "validation_accuracy": chosen.expected, "test_accuracy": right}

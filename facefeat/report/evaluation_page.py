"""An evaluation as a page: its figures, plots, people and mistakes, from the same record as the text and the JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facefeat.data.folder import escaped, unescaped
from facefeat.learn.bundle import Bundle
from facefeat.learn.evaluation import Evaluation, Mistake
from facefeat.learn.metrics import Share
from facefeat.learn.nearest import Nearest
from facefeat.report import evaluated, pages, people, plots, predicted, words
from facefeat.report.comparison_page import CARDS, shown


def page(found: Evaluation, bundle: Bundle, data: Path) -> str:
    """Show an evaluation; the same record, model and photographs give the same page.

    Parameters
    ----------
    found : Evaluation
    bundle : Bundle
        The model; the faces of its training pictures come from it.
    data : Path
        What it was evaluated on, for the title.

    Returns
    -------
    str
        HTML that fetches nothing and runs no script.
    """
    faces = _Faces(found, bundle)
    return pages.rendered(
        "evaluation.html",
        name=escaped(data.name or str(data)),
        lead=list(_lead(found)),
        tiles=list(_tiles(found)),
        remarks=[(name, text.split("\n")) for name, text in evaluated.remarks(found)],
        notes=found.notes,
        plots=[
            shown(plot)
            for plot in plots.of_evaluation(
                found.cmc if found.images else (), found.curve, found.fpir, found.fnir, found.strangers
            )
        ],
        people=people.section(found.per_person, found.confusion),
        sections=[
            {"id": ident, "title": title, "count": len(all_), "cards": [_card(one, faces) for one in all_[:CARDS]]}
            for ident, title, all_ in (
                ("mistakes", "Mistakes", found.mistakes),
                ("strangers", "Strangers given a name", found.stranger_mistakes),
            )
            if all_ or ident == "mistakes"
        ],
        failures=[f"{one.path}: {one.message}" for one in _failures(found)],
        origin=_origin(found, bundle),
    )


def _failures(found: Evaluation) -> tuple[Any, ...]:
    return (*found.failures, *found.stranger_failures)


def _lead(found: Evaluation) -> Iterator[str]:
    if found.images:
        accuracy = f"{words.percent(found.accuracy.mean)} of {words.counted(found.images, 'picture')}"
        yield f"{accuracy} of known people are named right (95 % interval {words.interval(found.accuracy)})."
    if found.strangers:
        n = words.counted(found.strangers, "picture")
        yield f"{found.strangers_named:,} of {n} of strangers are given a name."


def _tiles(found: Evaluation) -> Iterator[dict[str, str]]:
    if found.images:
        yield _tile("Accuracy", found.accuracy, "of pictures named right")
        yield _tile("FNIR", found.fnir, "of known faces not named, at the threshold")
    if found.strangers:
        yield _tile("FPIR", found.fpir, "of strangers given a name")
    if math.isfinite(found.auroc):
        value = f"{found.auroc:.3f}"
        yield {"name": "AUROC", "value": value, "interval": "whatever the threshold", "meaning": "known from strangers"}
    if found.images:
        value = words.percent(found.balanced_accuracy)
        people = words.counted(len(found.per_person), "person", "people")
        yield {"name": "Balanced", "value": value, "interval": f"over {people}", "meaning": "everybody counts alike"}


def _tile(name: str, share: Share, meaning: str) -> dict[str, str]:
    return {"name": name, "value": words.percent(share.mean), "interval": words.interval(share), "meaning": meaning}


class _Faces:
    """Training pictures to show: the faces that a model keeps or, of a gallery that was enrolled, its photographs."""

    def __init__(self, found: Evaluation, bundle: Bundle) -> None:
        self.root = found.enrolled.root if found.enrolled else None
        self.pixels = bundle.gallery.pixels
        self.rows = {path: row for row, path in enumerate(bundle.gallery.paths)} if len(self.pixels) else {}

    def of(self, one: Nearest | None, role: str) -> dict[str, str]:
        if one is None:
            return {"src": "", "path": "", "role": role}
        return {
            "src": self._source(one.path),
            "path": f"{one.path} ({one.similarity:.2f})",
            "role": role,
        }

    def _source(self, path: str) -> str:
        if self.root is not None:
            return pages.thumbnail(self.root / unescaped(path))
        row = self.rows.get(path)
        return "" if row is None else pages.grey(self.pixels[row])


def _card(one: Mistake, faces: _Faces) -> dict[str, Any]:
    naming = one.naming
    mine = {
        "src": pages.thumbnail(one.picture) if one.picture else "",
        "path": one.path,
        "role": "this picture",
    }
    pictures = [mine, faces.of(naming.nearest[0] if naming.nearest else None, "most alike")]
    if one.rank:
        pictures.append(faces.of(one.missed, f"most alike of {one.truth}"))
    reasons = (predicted.scored(naming), predicted.runner_up(naming))
    return {
        "truth": one.truth or "a stranger",
        "verb": ", named " if naming.name else ", unknown, most like ",
        "named": naming.best,
        "pictures": pictures,
        "reason": "; ".join(filter(None, reasons)),
    }


def _origin(found: Evaluation, bundle: Bundle) -> list[tuple[str, str, str]]:
    """Say what made the figures: name, text, and what is too long to be read."""
    recipe = bundle.recipe
    knobs = ", ".join(f"{knob}={value}" for knob, value in bundle.params.items()) or "its defaults"
    return [
        ("head", f"{bundle.head} on {words.layer(bundle.layer)}, {knobs}", ""),
        ("threshold", " ".join(words.threshold_sentences(found.threshold)), ""),
        ("network", f"{recipe.backbone} ({words.weights(recipe)}), {recipe.input_size} px, {recipe.pooling}", ""),
        ("faces", recipe.faces.detector, ""),
        ("recipe", recipe.sha256[:12], recipe.sha256),
        ("vectors by", found.ran_on, ""),
        ("fitted with", ", ".join(f"{name} {number}" for name, number in bundle.versions.items()), ""),
    ]

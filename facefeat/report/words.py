"""Sentences about results."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from facefeat.features.layers import parts
from facefeat.features.recipe import Recipe
from facefeat.features.store.columns import Skipped
from facefeat.learn.metrics import Share

if TYPE_CHECKING:
    from facefeat.curate.doctor import Diagnosis
    from facefeat.features.compute import NodeShare
    from facefeat.features.store.file import FeatureFile
    from facefeat.learn.bundle import Bundle
    from facefeat.learn.calibration import Confidence
    from facefeat.learn.search import Search
    from facefeat.learn.unknown import Threshold

LOW_COSINE = 0.99  # of int8 to float32: below it, something is wrong with the ranges


def percent(share: float) -> str:
    """Write a share as a percentage with one digit behind the point.

    Examples
    --------
    >>> percent(0.9975), percent(1.0)
    ('99.8 %', '100.0 %')
    """
    return f"{100 * share:.1f} %"


def layer(name: str) -> str:
    """Write layers that are joined with what their names end in once.

    Examples
    --------
    >>> layer("block3_pool+block4_pool"), layer("grey8+grey16")
    ('block3+4_pool', 'grey8+16')
    """
    first, *others = parts(name)
    stem = os.path.commonprefix([first, *others]).rstrip("0123456789") if others else ""  # noqa: RUF071 (of letters)
    end = os.path.commonprefix([one[::-1] for one in (first, *others)])[::-1].lstrip("0123456789") if others else ""  # noqa: RUF071
    middles = [one[len(stem) : len(one) - len(end)] for one in (first, *others)]
    return f"{stem}{'+'.join(middles)}{end}" if others and all(middles) else name


def weights(recipe: Recipe) -> str:
    """Name the weights, and what became of the pixels where that is not the backbone's own."""
    return recipe.weights if recipe.preprocess is None else f"{recipe.weights}, {recipe.preprocess}"


def interval(share: Share) -> str:
    """Write an interval in percent.

    Examples
    --------
    >>> interval(Share(0.99, 0.974, 0.996))
    '97.4 to 99.6'
    """
    return f"{100 * share.low:.1f} to {100 * share.high:.1f}"


def counted(n: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> counted(1, "picture"), counted(40, "person", "people")
    ('1 picture', '40 people')
    """
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def node_share(one: NodeShare) -> str:
    """Say what a node of a cluster did.

    Examples
    --------
    >>> from facefeat.features.compute import NodeShare
    >>> node_share(NodeShare("10.0.0.1", 1200, 100.0, False)), node_share(NodeShare("10.0.0.2", 0, 0.0, True))
    ('10.0.0.1: 1,200 pictures, 12.0 a second of work', '10.0.0.2: 0 pictures; lost')
    """
    rate = f", {one.pictures / one.seconds:.1f} a second of work" if one.seconds else ""
    return f"{one.node}: {counted(one.pictures, 'picture')}{rate}" + ("; lost" if one.lost else "")


def listed(names: Sequence[str]) -> str:
    """Join names with commas and an "and".

    Examples
    --------
    >>> listed(["lda", "svm", "knn"])
    'lda, svm and knn'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def looked_at(found: Diagnosis) -> str:
    """Say what a diagnosis looked at."""
    pictures = counted(len(found.dataset.entries), "picture")
    sentence = f"{pictures} of {counted(len(found.dataset.people), 'person', 'people')}"
    if found.against:
        sentence += f", and {counted(len(found.against.entries), 'picture')} of the other data set"
    return f"{sentence}."


def augmented(file: FeatureFile, lacking: int = 0) -> str:
    """Say how many rows are augmented copies, and of how many pictures some are lacking."""
    copies = len(file) - file.n_pictures
    text = f"{copies:,} of the rows, {copies_each(file)}; they train and are never tested"
    return f"{text}; {counted(lacking, 'picture')} could not be read again and lacks some" if lacking else text


def copies_each(file: FeatureFile) -> str:
    """Say how many augmented copies a picture has."""
    ragged = len(file) != file.n_pictures * (1 + file.n_each)
    return f"{'up to ' if ragged else ''}{counted(file.n_each, 'copy', 'copies')} of each picture"


def trained_on(bundle: Bundle) -> str:
    """Say how many pictures of how many people a model was fitted on, with their augmented copies."""
    gallery = bundle.gallery
    text = f"{counted(len(gallery.pictures.paths), 'picture')} of {counted(len(bundle.people), 'person', 'people')}"
    copies = counted(gallery.n_copies, "augmented copy", "augmented copies")
    return f"{text}, and {copies} of them" if gallery.n_copies else text


def skipped_summary(skipped: Sequence[Skipped]) -> str:
    """Count skipped pictures by code.

    Examples
    --------
    >>> one = Skipped("a/1.jpg", b"", "damaged", "")
    >>> skipped_summary([one, one])
    'damaged 2'
    """
    return ", ".join(f"{code} {n}" for code, n in sorted(Counter(one.code for one in skipped).items()))


def threshold_sentences(threshold: Threshold) -> list[str]:
    """Say where "unknown" begins and what that costs."""
    if not threshold.n_pictures:
        return [f"The threshold for strangers is {threshold.how}."]
    sentences = [f"A face is unknown below {threshold.value:.3f}: {threshold.how}."]
    if threshold.reached is not None:
        reached = Share(threshold.reached, threshold.reached_low or 0.0, threshold.reached_high or 0.0)
        sentences.append(
            f"Chosen so by some of them, it lets {percent(reached.mean)} of the others pass "
            f"(95 % interval {interval(reached)}): expect that of strangers."
        )
    if threshold.fnir is not None:
        sentences.append(
            f"Of known faces that did not train, {percent(threshold.fnir)} do not get their name there (FNIR)."
        )
        if threshold.fnir > 0.3 and threshold.fpir < 0.1:
            sentences.append("That is many: --fpir 0.1 lets more strangers pass and rejects fewer known faces.")
    return sentences


def confidence_sentence(found: Confidence | None) -> str:
    """Say how far probabilities can be believed; an empty text where there are none."""
    if found is None:
        return ""
    return (
        f"Probabilities are off by {percent(found.ece)} on average (ECE), for known people, on "
        f"{counted(found.n, 'picture')} that did not train."
    )


def search_sentence(found: Search) -> str:
    """Say how a model looks for the nearest of very many rows."""
    if not found.n_probe:
        return f"All {found.n_rows:,} rows are looked at; fitted where pip install 'facefeat[cluster]' was run, few would be."
    return (
        f"{found.n_probe:,} of {found.n_lists:,} lists of the {found.n_rows:,} rows are looked into, where "
        f"{percent(found.recall or 0.0)} of the nearest are (recall, on {found.n_tried:,} other rows)."
    )


def rounding(recipe: Recipe) -> list[str]:
    """Say what int8 costs, where vectors are of int8."""
    found = recipe.calibration
    if found is None:
        return []
    on = f"{counted(found.checked, 'other face')}" if found.checked else "the same faces, for want of others"
    sentence = f"cosine to float32 at least {found.cosine:.4f}, on {on}; calibrated on {counted(found.faces, 'face')}"
    return [sentence if found.cosine >= LOW_COSINE else f"{sentence}. That is low: leave --precision out."]

"""What is said of faces that were compared: two pictures, or the pairs of a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import RenderableType

from facefeat.data.folder import escaped
from facefeat.report import words
from facefeat.report.tables import facts, shown

if TYPE_CHECKING:
    from facefeat.learn.match import Match, MatchThreshold
    from facefeat.learn.pair_scores import Rate, TradeOff
    from facefeat.learn.verification import Verification

Facts = list[tuple[str, str]]


def pictures(found: Match) -> RenderableType:
    """Lay out whether two pictures are of one person, and how sure that is."""
    answer = {True: "the same person", False: "two people", None: "cannot be said"}[found.same]
    value = found.threshold.value
    rows: Facts = [
        ("verdict", answer),
        ("similarity", f"{found.similarity:.3f}" + ("" if value is None else f", threshold {value:.3f}")),
        ("threshold", "\n".join(_threshold(found.threshold))),
    ]
    for path, face in zip(found.paths, found.faces, strict=True):
        place = ", ".join(f"{side:.0f}" for side in face.box)
        rows.append(("picture", f"{escaped(path)}, {'face at' if face.found else 'the whole of'} {place}"))
    rows += _noted(found.notes)
    rows.append(("made by", found.ran_on))
    return facts(rows)


def _threshold(threshold: MatchThreshold) -> list[str]:
    holds = "" if threshold.value is None else "; it holds for photographs like the model's own"
    sentences = [f"The threshold is {threshold.how}{holds}."]
    if threshold.fnmr is not None:
        of = f"{words.counted(threshold.n_mated, 'pair')} of one person, of people left out likewise"
        sentences.append(f"Of {of}, {words.percent(threshold.fnmr)} do not match there (FNMR).")
    return sentences


def pairs(found: Verification, verbose: bool = False) -> RenderableType:
    """Lay out how well pairs of one person are told from pairs of two."""
    of_folds = f"{found.n_folds} folds of {found.n_pairs // found.n_folds:,}" if found.n_folds > 1 else "1 fold"
    scored = found.trade_off
    rows: Facts = [
        (
            "pairs",
            f"{found.n_pairs:,} in {of_folds}; scored {scored.mated:,} of one person, {scored.nonmated:,} of two",
        ),
        ("score", _score(found)),
        ("accuracy", "\n".join(_accuracy(found))),
        *_errors(scored),
    ]
    if found.failures:
        lost = f"{words.counted(len(found.failures), 'picture')} of {words.counted(found.failed_pairs, 'pair')}"
        rows.append(("failed", f"{lost}, which count as wrong in accuracy and not in the other figures"))
        rows += [("", f"{one.name}'s {one.picture}: {one.message}") for one in shown(found.failures, verbose)]
    rows += _noted(_remarks(found))
    rows.append(("made by", found.ran_on))
    return facts(rows)


def _score(found: Verification) -> str:
    if found.model:
        return f"cosine in the model's space, on {found.layer}"
    of = "the other folds' pictures" if found.n_folds > 1 else "these pictures"
    return f"cosine of the square roots of {found.layer}, less the mean of {of}; nothing is learned from names"


def _accuracy(found: Verification) -> list[str]:
    decided = found.decisions
    how = "Student's t over the folds" if decided.over_folds else f"Wilson's over {found.n_pairs:,} pairs"
    share = f"{words.percent(decided.accuracy.mean)} (95 % interval {words.interval(decided.accuracy)}, {how})"
    if found.n_folds == 1:
        return [
            share,
            f"The threshold {decided.thresholds[0]:.3f} was chosen on these same pairs, so this is too high.",
        ]
    low, high = min(decided.thresholds), max(decided.thresholds)
    return [share, f"Each fold by a threshold that is best on the others: {low:.3f} to {high:.3f}."]


def _errors(found: TradeOff) -> Facts:
    if found.auroc is None or found.eer is None:
        return [("AUROC", "not measurable: all pairs that were scored are of one kind")]
    return [
        ("AUROC", f"{found.auroc:.4f}"),
        ("EER", words.percent(found.eer)),
        *[(f"FNMR at FMR {100 * rate.fmr:.2g} %", _rate(rate, found.nonmated)) for rate in found.rates],
    ]


def _rate(rate: Rate, n: int) -> str:
    if rate.fnmr is None:
        return f"not measurable with {words.counted(n, 'pair')} of two people"
    return words.percent(rate.fnmr)


def _remarks(found: Verification) -> list[str]:
    remarks = []
    if found.whole:
        remarks.append(f"In {words.counted(found.whole, 'picture')} no face was found; there the whole was taken.")
    if found.copies:
        remarks.append(f"{words.counted(found.copies, 'pair')} of two pictures with the same bytes: no task at all.")
    if found.known_people:
        remarks.append(
            f"The model knows {found.known_people:,} of these people; for strangers the figures are too good."
        )
    if found.trained:
        remarks.append(f"{words.counted(found.trained, 'picture')} trained the model too, so the figures are too good.")
    if found.n_folds > 1 and found.shared_people:
        people = words.counted(found.shared_people, "person", "people")
        remarks.append(f"Folds share {people}, so they are not independent and the interval is too narrow.")
    return remarks


def _noted(notes: Sequence[str]) -> Facts:
    return [("note", note) for note in notes]


def pictures_document(found: Match) -> dict[str, Any]:
    """Describe two pictures that were compared; schema ``facefeat/match/1``."""
    return {
        "schema": "facefeat/match/1",
        "kind": "pictures",
        "same": found.same,
        "similarity": found.similarity,
        "threshold": asdict(found.threshold),
        "pictures": [
            {
                "path": escaped(path),
                "box": [round(float(side), 1) for side in face.box],
                "found": face.found,
                "faces": face.count if face.count >= 0 else None,
            }
            for path, face in zip(found.paths, found.faces, strict=True)
        ],
        "notes": list(found.notes),
        "ran_on": found.ran_on,
    }


def pairs_document(found: Verification) -> dict[str, Any]:
    """Describe pairs that were scored; schema ``facefeat/match/1``."""
    decided, scored = found.decisions, found.trade_off
    return {
        "schema": "facefeat/match/1",
        "kind": "pairs",
        "pairs": {
            "total": found.n_pairs,
            "folds": found.n_folds,
            "mated": scored.mated,
            "nonmated": scored.nonmated,
            "failed": found.failed_pairs,
        },
        "score": {"layer": found.layer, "model": found.model, "text": _score(found)},
        "accuracy": asdict(decided.accuracy),
        "interval": "t over folds" if decided.over_folds else "wilson over pairs",
        "folds": [
            {"accuracy": share, "threshold": value}
            for share, value in zip(decided.fold_accuracies, decided.thresholds, strict=True)
        ],
        "threshold_chosen_on_same_pairs": found.n_folds == 1,
        "auroc": scored.auroc,
        "eer": scored.eer,
        "rates": [asdict(rate) for rate in scored.rates],
        "det": _curve(scored),
        "failures": [asdict(one) for one in found.failures],
        "pictures": found.pictures,
        "notes": _remarks(found),
        "ran_on": found.ran_on,
    }


def _curve(found: TradeOff) -> dict[str, list[float | None]] | None:
    """Return the curve's points; the first threshold, above every score, is ``None``."""
    if found.curve is None:
        return None
    thresholds = [value if np.isfinite(value) else None for value in found.curve.thresholds.tolist()]
    return {
        "thresholds": thresholds,
        "fmr": found.curve.false_positive.tolist(),
        "fnmr": found.curve.false_negative.tolist(),
    }

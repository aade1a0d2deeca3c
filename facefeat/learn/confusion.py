"""Who is taken for whom, person by person."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from facefeat.features.store.file import FeatureFile
from facefeat.learn.comparison import Comparison


@dataclass(frozen=True)
class Recall:
    """One person's part of a comparison.

    Attributes
    ----------
    name : str
    images, right : int
        Pictures that were tested, and those of them that were named right; none for somebody with a single picture.
    """

    name: str
    images: int
    right: int

    @property
    def share(self) -> float | None:
        """Of the pictures, those named right; ``None`` without any."""
        return self.right / self.images if self.images else None


def per_person(found: Comparison, file: FeatureFile) -> tuple[Recall, ...]:
    """Return how many of each person's pictures the best row named right, in its first repeat; people as in the file."""
    tested = file.person[found.folds.tested]
    images = Counter(tested.tolist())
    right = Counter(tested[found.best.named[0] == tested].tolist())
    return tuple(Recall(name, images[person], right[person]) for person, name in enumerate(file.people))


def confused(found: Comparison, file: FeatureFile) -> dict[tuple[str, str], int]:
    """Count whom the best row took for whom, in its first repeat: (truth, named), most often first."""
    tested, named = file.person[found.folds.tested], found.best.named[0]
    wrong = named != tested
    pairs = Counter(zip(tested[wrong].tolist(), named[wrong].tolist(), strict=True))
    ordered = sorted(pairs.items(), key=lambda one: (-one[1], one[0]))
    return {(file.people[truth], file.people[taken]): n for (truth, taken), n in ordered}

"""What an evaluation finds: the figures, each with its interval, and every mistake with its reasons."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from facefeat.features.store.columns import Skipped
from facefeat.learn.metrics import Share
from facefeat.learn.naming import Naming
from facefeat.learn.nearest import Nearest
from facefeat.learn.rates import Curve
from facefeat.learn.unknown import Threshold


@dataclass(frozen=True)
class Person:
    """One known person's part of an evaluation.

    Attributes
    ----------
    name : str
    images, right, rejected : int
        Pictures, those named right before the threshold is applied, and those of them under it.
    """

    name: str
    images: int
    right: int
    rejected: int


@dataclass(frozen=True)
class Mistake:
    """A picture that was named wrong, or one of a stranger that was given a name.

    Attributes
    ----------
    path : str
        Relative to the test set; in a folder of strangers that lies elsewhere, that folder stands before it.
    truth : str
        Whose it is; ``''`` for a stranger without a name.
    naming : Naming
        With the nearest training pictures.
    rank : int
        Where among all people the head puts the right one, from 2; 0 for a stranger.
    missed : Nearest or None
        The right person's own training picture that is most alike; ``None`` for a stranger.
    picture : Path or None
        Where the picture lies; ``None`` where the test set is a feature file.
    """

    path: str
    truth: str
    naming: Naming
    rank: int = 0
    missed: Nearest | None = None
    picture: Path | None = None


@dataclass(frozen=True)
class Enrolled:
    """A gallery on which the model's recipe, head, layer and knobs were fitted anew.

    Attributes
    ----------
    root : Path
        The folder; the paths of the nearest training pictures are relative to it.
    people, images, skipped : int
        People and pictures that were enrolled, and pictures that could not be read.
    """

    root: Path
    people: int
    images: int
    skipped: int


@dataclass(frozen=True)
class Evaluation:
    """How a model does on other pictures.

    Shares are NaN with an interval from 0 to 1 where there is nothing to count.

    Attributes
    ----------
    images : int
        Pictures of known people, failures included.
    accuracy : Share
        Named right, with nobody called unknown; a picture that could not be read is not right.
    balanced_accuracy : float
        Mean over people of the share of their pictures that were named right.
    cmc : tuple of Share
        Right person among the first 1, 2, ... 10 as the head ranks them, or up to the number of people; the first is
        the accuracy.
    rank5 : Share or None
        Right person among the first five; ``None`` with five people or fewer.
    rejected : int
        Pictures of known people under the threshold.
    accepted_right : Share
        Named right and over the threshold: what a user of ``predict`` sees.
    fnir : Share
        The others: the share of known people's pictures not given their own name at the threshold.
    per_person : tuple of Person
    confusion : dict of (truth, named) to int
        Without the diagonal.
    mistakes : tuple of Mistake
        Of known people.
    failures : tuple of Skipped
        Unreadable pictures of known people.
    strangers, strangers_named : int
        Pictures of people the model does not know, and those it gave a name.
    fpir : Share
        The share of them.
    fpir_measurable : bool
        Whether so many pictures can tell the rate, for which the threshold was chosen, from none.
    stranger_people, missing_people : tuple of str
        Not in the model; not in the pictures.
    stranger_mistakes : tuple of Mistake
        Strangers that were given a name.
    stranger_failures : tuple of Skipped
        Their unreadable pictures, which count nowhere.
    auroc : float
        The share of pairs of a known face and a stranger in which the known one has the higher score, whatever the
        threshold; a known face that is named wrong, or not read, is under all strangers.
    curve : Curve or None
        FPIR and FNIR at every threshold; ``None`` without strangers or without known people.
    threshold : Threshold
        Where "unknown" begins.
    enrolled : Enrolled or None
        The gallery that took the place of the model's own people.
    leaks, near_leaks : int
        Pictures that trained the model too, byte for byte; others of which it saw a near copy.
    accuracy_without_leaks : Share
    ran_on : str
        Engine, device and precision that made the vectors.
    notes : tuple of str
        What was left out or counted otherwise than one might expect, a sentence each.
    """

    images: int
    accuracy: Share
    balanced_accuracy: float
    cmc: tuple[Share, ...]
    rank5: Share | None
    rejected: int
    accepted_right: Share
    fnir: Share
    per_person: tuple[Person, ...]
    confusion: dict[tuple[str, str], int]
    mistakes: tuple[Mistake, ...]
    failures: tuple[Skipped, ...]
    strangers: int
    strangers_named: int
    fpir: Share
    fpir_measurable: bool
    stranger_people: tuple[str, ...]
    missing_people: tuple[str, ...]
    stranger_mistakes: tuple[Mistake, ...]
    stranger_failures: tuple[Skipped, ...]
    auroc: float
    curve: Curve | None = field(compare=False)
    threshold: Threshold
    enrolled: Enrolled | None
    leaks: int
    near_leaks: int
    accuracy_without_leaks: Share
    ran_on: str
    notes: tuple[str, ...]

"""How a network is trained: what a person may set, what is fixed, and what an epoch was like."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from facefeat.errors import UsageError

# The dense top alone, on the frozen network's vectors, before anything below it moves.
TOP_EPOCHS = 20
TOP_LEARNING_RATE = 1e-3
TOP_BATCH = 64

DROPOUT = 0.5
LEAST_VARIANCE = 0.1  # of a pooled number, as a share of the mean of all, when they are scaled
LABEL_SMOOTHING = 0.1
SLOWER = 0.3  # by which the learning rate is multiplied after half the patience without a lower loss


@dataclass(frozen=True)
class Schedule:
    """What decides how a network is trained.

    Attributes
    ----------
    unfreeze : str
        One of ``facefeat.tune.cut.blocks``.
    augment : int
        Augmented copies of each picture; an epoch takes one of them, or the picture.
    epochs : int
        At most.
    batch_size : int
    learning_rate : float
        Of Adam, once the top is trained.
    patience : int
        Epochs without a lower validation loss after which training stops.
    folds : int
        How often all is done, each time with other pictures to test.
    random_state : int
    """

    unfreeze: str
    augment: int = 5
    epochs: int = 40
    batch_size: int = 32
    learning_rate: float = 3e-5
    patience: int = 8
    folds: int = 1
    random_state: int = 0

    def __post_init__(self) -> None:
        least = {"augment": 0, "epochs": 1, "batch_size": 1, "patience": 1, "folds": 1, "random_state": 0}
        for name, low in least.items():
            if getattr(self, name) < low:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} must be {low} or more; {getattr(self, name)} was given.")
        if not 0 < self.learning_rate <= 1:
            raise UsageError(f"--learning-rate must be above 0, and at most 1; {self.learning_rate:g} was given.")

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Epoch:
    """What an epoch was like.

    Attributes
    ----------
    number : int
        From 1.
    loss, accuracy : float
        Of the training pictures, while the weights moved and units were silenced.
    validation_loss, validation_accuracy : float
    learning_rate : float
    seconds : float
    """

    number: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class History:
    """All epochs of one training.

    Attributes
    ----------
    epochs : tuple of Epoch
    best : int
        Number of the epoch whose weights were kept: that of the lowest validation loss.
    why : str
        ``'patience'``, ``'epochs'``, or ``'nan'`` where the loss was no number any more.
    """

    epochs: tuple[Epoch, ...]
    best: int
    why: str

    @property
    def kept(self) -> Epoch:
        """The epoch whose weights were kept."""
        return self.epochs[self.best - 1]

"""A small dense network trained with Keras: Dense, Dropout, softmax."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facefeat.heads import _layers
from facefeat.heads._estimator import Classifier, rows_of, softmax
from facefeat.heads._fitted import check_array
from facefeat.heads._rows import Table, blocks, require_two, training_rows
from facefeat.heads._scaling import TRUSTED as _SCALING
from facefeat.heads._scaling import check_scaling, scaled

if TYPE_CHECKING:
    from facefeat.heads._space import Space

MIN_STEPS = 8  # of training in an epoch

_NUMBERS = 2**25  # of rows, or of what they become, whose loss is found together

SUMMARY = "dense network trained with Keras: Dense, Dropout, softmax"
SLOW = True
GRID: dict[str, list[Any]] = {"hidden": [(128,), (512,)], "dropout": [0.3, 0.5]}
TRUSTED = (*_SCALING, "facefeat.heads.dense.DenseClassifier")


def build(
    hidden: tuple[int, ...] = (128,),
    dropout: float = 0.5,
    learning_rate: float = 1e-3,
    epochs: int = 60,
    batch_size: int = 64,
    patience: int = 8,
    validation: float = 0.15,
    random_state: int = 0,
    root: bool = True,
) -> Any:
    """Build the head.

    Parameters
    ----------
    hidden : tuple of int, default=(128,)
        Units of each hidden layer; ReLU.
    dropout : float, default=0.5
        Share of hidden units silenced at each step of training.
    learning_rate : float, default=1e-3
        Of RMSprop.
    epochs : int, default=60
        At most.
    batch_size : int, default=64
        At most; with few pictures it is smaller, so that an epoch has at least eight steps.
    patience : int, default=8
        Epochs without a lower validation loss after which training stops; the best weights are kept.
    validation : float, default=0.15
        Share of the training rows, person by person, that decide when to stop. Where there are too few
        for one a person, the training loss decides.
    random_state : int, default=0
    root : bool, default=True
        Take square roots before scaling.

    Returns
    -------
    Pipeline
    """
    network = DenseClassifier(
        hidden=hidden,
        dropout=dropout,
        learning_rate=learning_rate,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        validation=validation,
        random_state=random_state,
    )
    return scaled(network, root)


def fit_streamed(classifier: Any, space: Space) -> Any:
    """Fit on rows that are read and scaled batch by batch; see ``facefeat.learn.head.StreamingHead``."""
    return classifier.fit_table(space.streamed, space.index, space.classes)


def cost(n_images: int, n_features: int, n_people: int) -> float:
    """Estimate the seconds of a fold, all epochs; see ``facefeat.learn.head.cost``."""
    steps = max(MIN_STEPS, n_images / 64)
    return 60 * (3e-3 * steps + 1.5e-8 * n_images * n_features)


def check_fitted(estimator: Any, X: NDArray[np.float16], y: NDArray[np.int32]) -> None:
    """Check the fitted attributes; see ``facefeat.learn.head.Head``."""
    check_scaling(estimator, X.shape[1])
    network = estimator[-1]
    sides = (X.shape[1], *network.hidden, len(network.classes_))
    for found in (network.coefs_, network.intercepts_):
        if not isinstance(found, list) or len(found) != len(sides) - 1:
            raise ValueError("its layers are not as many as it was made with")
    for i, (kernel, bias) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        check_array(kernel, sides[i : i + 2], "coefs_")
        check_array(bias, sides[i + 1 : i + 2], "intercepts_")


def in_layers(classifier: Any, rows: Any) -> Any:
    """Write the fitted classifier in layers; see ``facefeat.learn.head.Head``."""
    *hidden, last = zip(classifier.coefs_, classifier.intercepts_, strict=True)
    for kernel, bias in hidden:
        rows = _layers.dense(rows, kernel, bias, "relu")
    return _layers.dense(rows, *last, "softmax")


class DenseClassifier(Classifier):
    """A dense network as a scikit-learn estimator: trained by Keras, kept and applied as plain arrays.

    Parameters are those of ``build``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coefs_ : list of ndarray of shape (n_in, n_out), float32
    intercepts_ : list of ndarray of shape (n_out,), float32
    n_iter_ : int
        Epochs that were run.
    loss_curve_, validation_curve_ : list of float
        Loss after each epoch; ``validation_curve_`` is empty where no rows were set aside.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (128,),
        dropout: float = 0.5,
        learning_rate: float = 1e-3,
        epochs: int = 60,
        batch_size: int = 64,
        patience: int = 8,
        validation: float = 0.15,
        random_state: int = 0,
    ) -> None:
        self.hidden = hidden
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.validation = validation
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_images, n_features)
        y : array-like of shape (n_images,)

        Returns
        -------
        self
        """
        rows, index = training_rows(self, X, y, np.float32)
        return self.fit_table(rows, index, self.classes_)

    def fit_table(self, rows: Table, index: NDArray[np.intp], classes: NDArray[Any]) -> Self:
        """Train the network on a table of which a batch at a time is asked for.

        Parameters
        ----------
        rows : Table of shape (n_images, n_features)
            Finite numbers.
        index : ndarray of shape (n_images,)
            Into ``classes``.
        classes : ndarray of shape (n_classes,)

        Returns
        -------
        self
        """
        require_two(classes)
        self.classes_, self.n_features_in_ = classes, rows.shape[1]
        train, held_out = self._set_aside(index)
        with _seeded(self.random_state) as keras:
            best = self._train(self._compiled(keras, rows.shape[1]), rows, index, train, held_out)
        self.coefs_, self.intercepts_ = best[::2], best[1::2]
        self.n_iter_ = len(self.loss_curve_)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the softmax over classes, shape (n_images, n_classes)."""
        x = rows_of(self, X, np.float32)
        return _forward(x, self.coefs_, self.intercepts_)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the most likely class, shape (n_images,)."""
        likely: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return likely

    def _set_aside(self, index: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Split rows into those that train and those that decide when to stop."""
        from sklearn.model_selection import train_test_split

        rows = np.arange(len(index))
        counts = np.bincount(index)
        n_held_out = round(self.validation * len(index))
        if n_held_out < len(counts) or counts.min() < 3:
            return rows, rows[:0]
        train, held_out = train_test_split(rows, test_size=n_held_out, stratify=index, random_state=self.random_state)
        return train, held_out

    def _compiled(self, keras: Any, n_features: int) -> Any:
        layers = keras.layers
        stack = [keras.Input((n_features,))]
        for units in self.hidden:
            stack += [layers.Dense(units, activation="relu"), layers.Dropout(self.dropout)]
        model = keras.Sequential([*stack, layers.Dense(len(self.classes_), activation="softmax")])
        optimizer = keras.optimizers.RMSprop(self.learning_rate)
        model.compile(optimizer, "sparse_categorical_crossentropy", jit_compile=False)
        return model

    def _train(
        self,
        model: Any,
        rows: Table,
        index: NDArray[np.intp],
        train: NDArray[np.intp],
        held_out: NDArray[np.intp],
    ) -> list[NDArray[np.float32]]:
        """Train until the loss on the rows held out falls no more; return the best weights.

        ``Model.fit`` with its ``EarlyStopping`` does the same, and spends two thirds of its time between
        the steps of a network this small.
        """
        order = np.random.default_rng(self.random_state)
        size = min(self.batch_size, -(-len(train) // MIN_STEPS))
        n_batches = -(-len(train) // size)
        self.loss_curve_, self.validation_curve_ = [], []
        best_loss, since = np.inf, 0
        best: list[NDArray[np.float32]] = model.get_weights()
        for _ in range(self.epochs):
            # The last batch is filled up from the first: one shape is one compiled step.
            batches = train[np.resize(order.permutation(len(train)), (n_batches, size))]
            losses = [model.train_on_batch(rows[batch], index[batch]) for batch in batches]
            self.loss_curve_.append(float(np.mean(losses)))
            weights = model.get_weights()
            loss = self.loss_curve_[-1]
            if len(held_out):
                loss = _loss(rows, index, held_out, weights)
                self.validation_curve_.append(loss)
            since += 1
            if loss < best_loss:
                best_loss, best, since = loss, weights, 0
            if since >= self.patience:
                break
        return best


APPLIED = DenseClassifier


def _forward(
    x: NDArray[np.float32], kernels: list[NDArray[np.float32]], biases: list[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Apply the network: ReLU between the layers, softmax at the end."""
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        x = np.maximum(x @ kernel + bias, 0)
    probabilities: NDArray[np.float32] = softmax(x @ kernels[-1] + biases[-1])
    return probabilities


def _loss(rows: Table, index: NDArray[np.intp], which: NDArray[np.intp], weights: list[NDArray[np.float32]]) -> float:
    """Return the mean cross-entropy of some rows."""
    chosen = np.empty(len(which), np.float64)
    widest = max(len(kernel) for kernel in weights[::2])
    for block in blocks(len(which), max(widest, len(weights[-1])), _NUMBERS):
        these = which[block]
        probabilities = _forward(rows[these], weights[::2], weights[1::2])
        chosen[block] = probabilities[np.arange(len(these)), index[these]]
    return float(-np.mean(np.log(np.maximum(chosen, 1e-12))))


@contextmanager
def _seeded(seed: int) -> Iterator[Any]:
    """Give Keras a seed, and give Python and NumPy their own random states back afterwards."""
    from facefeat.engines.keras import import_keras

    keras = import_keras()
    states = random.getstate(), np.random.get_state()
    keras.utils.set_random_seed(seed)
    try:
        yield keras
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])

"""All heads on all layers, on the same folds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat import plugins
from facefeat.errors import InputError
from facefeat.features import backbone as backbones
from facefeat.features.extract import Progress
from facefeat.features.store.file import FeatureFile
from facefeat.learn import head as heads
from facefeat.learn.metrics import Share, balanced_accuracy, macro_f1, wilson
from facefeat.learn.splits import Folds, folds, groups_of

# The grey face itself, its principal components and the nearest neighbour; and always the same person.
BASELINES = ("pixel PCA", "majority")
PCA_COMPONENTS = 100


@dataclass(frozen=True, eq=False)  # two rows are never the same one by their figures
class Row:
    """One head on one layer.

    Attributes
    ----------
    head, layer : str
        For a baseline, its name and ``''``.
    accuracy : Share
        Of the pictures that were tested, each by a head that did not see it; Wilson's interval.
    balanced_accuracy, macro_f1 : float
    fit_seconds : float
        Median over folds.
    predict_ms : float
        For one picture's vector, within a batch; median over folds.
    named : ndarray of shape (n_repeats, n_tested), int32
        Who each tested picture was taken for, rows in the order of ``Folds.tested``.
    """

    head: str
    layer: str
    accuracy: Share
    balanced_accuracy: float
    macro_f1: float
    fit_seconds: float
    predict_ms: float
    named: NDArray[np.int32]


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found.

    Attributes
    ----------
    rows : tuple of Row
        Best first.
    baselines : tuple of Row
    failed : tuple of (head, layer, sentence)
    n_people, n_images, n_tested : int
    copies : int
        Pictures that are copies of another.
    folds : Folds
    """

    rows: tuple[Row, ...]
    baselines: tuple[Row, ...]
    failed: tuple[tuple[str, str, str], ...]
    n_people: int
    n_images: int
    n_tested: int
    copies: int
    folds: Folds

    @property
    def best(self) -> Row:
        """The first row."""
        return self.rows[0]

    @property
    def within_reach(self) -> tuple[Row, ...]:
        """Other rows whose accuracy lies inside the best one's interval: these pictures cannot rank them."""
        return tuple(row for row in self.rows[1:] if row.accuracy.mean >= self.best.accuracy.low)


@dataclass(frozen=True)
class _Task:
    head: str
    layer: str
    X: NDArray[np.float32]
    build: Callable[[], Any]
    parallel: bool = True


def compare(
    file: FeatureFile,
    *,
    heads_wanted: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    n_folds: int = 10,
    repeats: int = 1,
    random_state: int = 0,
    workers: int = 2,
    baselines: bool = True,
    progress: Progress | None = None,
) -> Comparison:
    """Compare heads and layers by cross-validation.

    Every head sees the same stratified folds; copies of one picture never stand on both sides. Scaling is
    part of a head and learned on the training rows of each fold.

    Parameters
    ----------
    file : FeatureFile
    heads_wanted : sequence of str or None
        All by default.
    layers : sequence of str or None
        All of the file by default.
    n_folds, repeats, random_state : int
        See ``facefeat.learn.splits.folds``.
    workers : int, default=2
        Processes that fit side by side.
    baselines : bool, default=True
        Whether pixels and the majority class are scored as well.
    progress : callable or None
        Called with a head's name, how many are done, of how many.

    Returns
    -------
    Comparison

    Raises
    ------
    UsageError
        For an unknown head or layer.
    InputError
        With fewer than two people, where nobody has two pictures, or where no head could be fitted.
    """
    names = list(heads_wanted or plugins.names("head"))
    tasks = [_task(file, head, layer) for layer in layers or file.layers for head in names]
    y, groups = file.person, groups_of(file)
    cut = folds(y, groups, file.people, n_folds=n_folds, repeats=repeats, random_state=random_state)
    extra = _baselines(file) if baselines else []
    done, failed = [], []
    for task, outcome in _run([*tasks, *extra], y, cut, workers, progress or (lambda what, n, total: None)):
        if isinstance(outcome, str):
            failed.append((task.head, task.layer, outcome))
        else:
            done.append(outcome)
    rows = [row for row in done if row.layer]
    if not rows:
        raise InputError(f"No head could be fitted; the first, {failed[0][0]}, said: {failed[0][2]}")
    return Comparison(
        rows=tuple(sorted(rows, key=lambda row: _rank(row, file))),
        baselines=tuple(row for row in done if not row.layer),
        failed=tuple(failed),
        n_people=len(file.people),
        n_images=len(file),
        n_tested=len(cut.tested),
        copies=len(groups) - len(np.unique(groups)),
        folds=cut,
    )


def _rank(row: Row, file: FeatureFile) -> tuple[float, float, bool, int, str, str]:
    """Order rows by what was measured; ties by the backbone's own layer and the head's rank, so that runs agree."""
    usual, rank = backbones.get(file.recipe.backbone).HEAD_LAYER, heads.rank(row.head)
    return -row.accuracy.mean, -row.balanced_accuracy, row.layer != usual, rank, row.head, row.layer


def _task(file: FeatureFile, head: str, layer: str) -> _Task:
    heads.build(head)  # an unknown name is said before any work
    return _Task(head, layer, file.vectors(layer), lambda: heads.build(head), not heads.is_slow(head))


def _baselines(file: FeatureFile) -> list[_Task]:
    pixels = file.columns["faces/pixels"].reshape(len(file), -1).astype(np.float32)
    return [_Task(BASELINES[0], "", pixels, _eigenfaces), _Task(BASELINES[1], "", pixels, _majority)]


def _eigenfaces() -> Any:
    """Principal components of the grey face and its nearest neighbour (M. Turk, A. Pentland, 1991)."""
    from sklearn.decomposition import PCA
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_CappedPCA(PCA, PCA_COMPONENTS), KNeighborsClassifier(1))


class _CappedPCA:
    """PCA with as many components as asked for, or as many as there can be."""

    def __init__(self, pca: Any, n_components: int) -> None:
        self.pca, self.n_components = pca, n_components

    def fit(self, X: NDArray[Any], y: object = None) -> _CappedPCA:
        self.fitted = self.pca(min(self.n_components, *X.shape), random_state=0).fit(X)
        return self

    def transform(self, X: NDArray[Any]) -> Any:
        return self.fitted.transform(X)

    def fit_transform(self, X: NDArray[Any], y: object = None) -> Any:
        return self.fit(X).transform(X)


def _majority() -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="most_frequent")


def _run(
    tasks: Sequence[_Task], y: NDArray[np.int32], cut: Folds, workers: int, tell: Progress
) -> Iterator[tuple[_Task, Row | str]]:
    """Fit every task on every fold, yielding a row or the reason why there is none."""
    from joblib import Parallel, delayed, parallel_config

    for i, task in enumerate(tasks):
        tell(f"{task.head} {task.layer}".strip(), i, len(tasks))
        jobs = workers if task.parallel else 1
        with parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1 if jobs > 1 else None):
            outcomes = Parallel()(delayed(_one_fold)(task.build(), task.X, y, *split) for split in cut.splits)
        failures = [outcome for outcome in outcomes if isinstance(outcome, str)]
        yield task, failures[0] if failures else _row(task, y, cut, outcomes)
    tell("done", len(tasks), len(tasks))


def _one_fold(
    estimator: Any, X: NDArray[np.float32], y: NDArray[np.int32], train: NDArray[np.int64], test: NDArray[np.int64]
) -> tuple[NDArray[np.int32], float, float] | str:
    """Fit and predict one fold; return who was named and the two times, or what went wrong."""
    inputs, queries = np.asarray(X[train]), np.asarray(X[test])
    started = time.perf_counter()
    try:
        estimator.fit(inputs, y[train])
        fitted = time.perf_counter()
        named = estimator.predict(queries)
    except ValueError as error:
        return " ".join(str(error).split())
    return named.astype(np.int32), fitted - started, (time.perf_counter() - fitted) / len(test)


def _row(task: _Task, y: NDArray[np.int32], cut: Folds, outcomes: list[Any]) -> Row:
    tested = cut.tested
    named = np.full((cut.repeats, len(y)), -1, np.int32)
    for repeat, (_, test), (names, _, _) in zip(cut.repeat_of, cut.splits, outcomes, strict=True):
        named[repeat, test] = names
    named = named[:, tested]
    truth = y[tested]
    return Row(
        head=task.head,
        layer=task.layer,
        accuracy=wilson(float(np.mean(named == truth)), len(tested)),
        balanced_accuracy=float(np.mean([balanced_accuracy(truth, one) for one in named])),
        macro_f1=float(np.mean([macro_f1(truth, one) for one in named])),
        fit_seconds=float(np.median([seconds for _, seconds, _ in outcomes])),
        predict_ms=float(np.median([seconds for _, _, seconds in outcomes])) * 1000,
        named=named,
    )

"""What any head must beat: the bare pixels, and always the same person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data.quality import SIDE
from facefeat.features.store.file import FeatureFile
from facefeat.heads._rows import blocks
from facefeat.learn.crossval import Result, Split, alone
from facefeat.learn.threads import side_by_side

# The grey face itself, its principal components and the nearest neighbour; and always the same person.
PIXELS, MAJORITY = BASELINES = ("pixel PCA", "majority")
PCA_COMPONENTS = 100


def score_baseline(name: str, file: FeatureFile, splits: Sequence[Split], workers: int) -> list[Result]:
    """Test a baseline on every fold; see ``facefeat.learn.crossval.cross_validate``. It trains on no augmented copies."""
    pixels = _pixels(file)
    build, X = (_eigenfaces, pixels) if name == PIXELS else (_majority, pixels[:, :1])
    splits = without_copies(splits, file)
    build()  # imported before linear algebra is kept to one core for each
    return list(side_by_side(lambda split: alone(build(), X, file.person, split), splits, workers))


def without_copies(splits: Sequence[Split], file: FeatureFile) -> list[Split]:
    """Return folds in which no augmented copy trains."""
    return [(train[file.original[train]], test) for train, test in splits]


def _pixels(file: FeatureFile) -> NDArray[np.uint8]:
    """Return every grey face at 32 x 32 pixels, as one row."""
    faces = file.columns["faces/pixels"]
    small = np.empty((len(faces), SIDE // 2, SIDE // 2), np.uint8)
    for block in blocks(len(faces), SIDE * SIDE):
        fours = faces[block].reshape(-1, SIDE // 2, 2, SIDE // 2, 2)
        small[block] = fours.mean(axis=(2, 4), dtype=np.float32).round()
    return small.reshape(len(faces), -1)


def baseline_cost(name: str, n_images: int) -> float:
    """Return roughly how many seconds a fold takes on one core; nearly all of it goes into distances."""
    return 1e-9 * n_images**2 if name == PIXELS else 0.0


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
        floats = X.astype(np.float32)  # a copy, which may be written into
        self.fitted = self.pca(min(self.n_components, *X.shape), copy=False, random_state=0).fit(floats)
        return self

    def transform(self, X: NDArray[Any]) -> Any:
        return self.fitted.transform(X.astype(np.float32))

    def fit_transform(self, X: NDArray[Any], y: object = None) -> Any:
        return self.fit(X).transform(X)


def _majority() -> Any:
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="most_frequent")

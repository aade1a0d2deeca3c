"""Heads from a file: the estimator is the one that the manifest names, of these people, and cannot read amiss."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from facefeat import plugins
from facefeat.errors import DamagedFile
from facefeat.learn import bundle as bundles
from facefeat.learn import head as heads
from facefeat.learn.bundle import Gallery
from facefeat.learn.unknown import fit_score
from tests.crafted import INNER, Change, Whole, node, refusal, unzipped, value, with_array, with_node

HEAD, UNKNOWN, GALLERY = INNER
Vectors = NDArray[Any]


def with_head(estimator: Any) -> Change:
    return lambda whole: whole.inner.update({HEAD: unzipped(skops.io.dumps(estimator))})


# The estimator is the one that the manifest names.


def fitted_for(whole: Whole, estimator: Any) -> Any:
    return estimator.fit(whole.array(GALLERY, "vectors.npy").astype(np.float32), whole.array(GALLERY, "person.npy"))


def held(name: str) -> str:
    return f"head.skops in M is refused: it holds '{name}', which its head does not have."


def other(reason: str, head: str = "knn") -> str:
    return f"head.skops in M is damaged: it is no fitted {head} of this gallery ({reason})."


def test_another_estimator_is_refused_whatever_skops_trusts(wholes: dict[str, Whole], tmp_path: Path) -> None:
    whole = wholes["knn"]
    plain = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    trusted = {
        "sklearn.preprocessing._function_transformer.FunctionTransformer": make_pipeline(FunctionTransformer(), plain),
        "sklearn.linear_model._logistic.LogisticRegression": heads.build("logreg"),
        "sklearn.naive_bayes.GaussianNB": GaussianNB(),
    }
    for name, estimator in trusted.items():
        data = skops.io.dumps(fitted_for(whole, estimator))
        assert skops.io.loads(data, trusted=list(heads.trusted("knn"))).classes_.tolist() == [0, 1, 2, 3]
        assert refusal(whole, tmp_path, lambda whole, data=data: whole.members.update({HEAD: data})) == held(name)
    forest, tree = RandomForestClassifier(2), KNeighborsClassifier(1, algorithm="kd_tree")
    said = refusal(whole, tmp_path, with_head(fitted_for(whole, forest)))
    assert said == held("sklearn.ensemble._forest.RandomForestClassifier")
    assert refusal(whole, tmp_path, with_head(fitted_for(whole, tree))) == held("sklearn.neighbors._kd_tree.KDTree")


def test_the_steps_are_those_that_the_head_makes(wholes: dict[str, Whole], tmp_path: Path) -> None:
    whole = wholes["knn"]
    plain = KNeighborsClassifier(1, metric="cosine", algorithm="brute")
    renamed = fitted_for(whole, heads.build("knn"))
    renamed.steps[1] = ("other", renamed.steps[1][1])
    turned = fitted_for(whole, heads.build("knn"))
    turned.steps[0], turned.steps[1] = ("root", turned.steps[1][1]), ("scale", turned.steps[0][1])
    cases = {
        "it has a KNeighborsClassifier for a Pipeline": fitted_for(whole, plain),
        "it has more or fewer steps": fitted_for(whole, make_pipeline(StandardScaler(), plain)),
        "its steps have other names": renamed,
        "it has a StandardScaler for a SignedRoot": turned,
    }
    for reason, estimator in cases.items():
        assert refusal(whole, tmp_path, with_head(estimator)) == other(reason)


def test_another_heads_estimator_is_refused(wholes: dict[str, Whole], tmp_path: Path) -> None:
    for head in wholes:
        for name in wholes:
            if head != name:
                refusal(wholes[head], tmp_path, lambda whole, name=name: whole.manifest.update(head=name, params={}))


def test_knobs_are_those_of_the_manifest(wholes: dict[str, Whole], tmp_path: Path) -> None:
    whole = wholes["knn"]
    changed = with_node(HEAD, "n_neighbors", to=value(2))
    assert refusal(whole, tmp_path, changed) == other("it was made with another n_neighbors")
    said = refusal(whole, tmp_path, lambda whole: whole.manifest.update(params={"n_neighbors": 3}))
    assert said == other("it was made with another n_neighbors")
    said = refusal(wholes["svm"], tmp_path, lambda whole: whole.manifest.update(params={"kernel": "rbf"}))
    assert said == other("it was made with another kernel", "svm")


def test_other_parameters_are_those_of_the_code(wholes: dict[str, Whole], tmp_path: Path) -> None:
    # A bundle of another version of scikit-learn may have other defaults; a stranger's may have any.
    whole = wholes["knn"].copy()
    X = whole.array(GALLERY, "vectors.npy")[:5].astype(np.float32) + np.float32(0.1)
    scores = []
    for settings in ((), (("metric", "precomputed"), ("algorithm", "kd_tree"), ("n_jobs", 10**6))):
        for name, setting in settings:
            with_node(HEAD, name, to=value(setting))(whole)
        (tmp_path / "m").write_bytes(whole.packed())
        scores.append(heads.decision_scores(bundles.read(tmp_path / "m").estimator, X))
    assert np.array_equal(*scores)


def test_no_attribute_hides_a_method(wholes: dict[str, Whole], tmp_path: Path) -> None:
    def hide(found: dict[str, Any]) -> None:
        content = found["content"]
        content["content"]["predict_proba"] = copy.deepcopy(content["content"]["n_neighbors"])
        content["key_types"]["content"].append(copy.deepcopy(content["key_types"]["content"][0]))

    said = refusal(wholes["knn"], tmp_path, with_node(HEAD, to=hide))
    assert said == other("an attribute hides the method predict_proba")


# Whose pictures they are.


def swapped(whole: Whole, name: str, to: Callable[[Any], Any]) -> None:
    whole.set(GALLERY, f"{name}.npy", to(whole.array(GALLERY, f"{name}.npy")))


PICTURE = "gallery.npz in M is refused: 'ada/01.png' is no picture of "
LABELS: dict[str, tuple[Change, str]] = {
    "people exchanged": (lambda whole: whole.manifest.update(people=["bob", "ada", "cleo", "dan"]), f"{PICTURE}'bob'."),
    "a person renamed": (lambda whole: whole.manifest.update(people=["eve", "bob", "cleo", "dan"]), f"{PICTURE}'eve'."),
    "pictures exchanged": (lambda whole: swapped(whole, "person", lambda a: a[::-1]), f"{PICTURE}'dan'."),
    "another folder": (
        lambda whole: swapped(whole, "paths", lambda a: np.char.replace(a, b"ada/", b"bob/")),
        "gallery.npz in M is refused: 'bob/01.png' is no picture of 'ada'.",
    ),
    "a path upwards": (
        lambda whole: swapped(whole, "paths", lambda a: np.char.replace(a, b"ada/", b"ada/../")),
        "gallery.npz in M is refused: 'ada/../01.png' is no picture of 'ada'.",
    ),
    "nobody's pictures": (
        lambda whole: swapped(whole, "person", lambda a: np.minimum(a, 2)),
        "gallery.npz in M is damaged: it has people that the manifest does not name, or none of somebody.",
    ),
    "more people than there are": (
        lambda whole: swapped(whole, "person", lambda a: a + 1),
        "gallery.npz in M is damaged: it has people that the manifest does not name, or none of somebody.",
    ),
    "no pictures at all": (
        lambda whole: [swapped(whole, name, lambda a: a[:0]) for name in ("vectors", "person", "paths", "sha256", "pixels")],
        "gallery.npz in M is damaged: it has people that the manifest does not name, or none of somebody.",
    ),
    "strangers' prototypes exchanged": (
        with_array(UNKNOWN, "prototypes_", to=lambda a: a[[1, 0, 2, 3]]),
        "unknown.skops in M is damaged: it is no fitted prototype of this gallery (its prototypes are not those of its "
        "people).",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", LABELS)
def test_labels_that_were_exchanged(wholes: dict[str, Whole], tmp_path: Path, kind: str) -> None:
    change, sentence = LABELS[kind]
    assert refusal(wholes["lda"], tmp_path, change) == sentence


def honest(head: str, X: Vectors, y: Any, folder: Path, params: dict[str, Any] | None = None) -> Path:
    """Write a model as fit does, of any vectors."""
    template = bundles.read(folder / "template")
    people = tuple(f"p{i}" for i in range(y.max() + 1))
    paths = tuple(f"{people[who]}/{i}.png" for i, who in enumerate(y))
    gallery = Gallery(X.astype(np.float16), y, paths, np.zeros((len(y), 32), np.uint8), np.zeros((0, 64, 64), np.uint8))
    estimator, params = heads.build(head, params).fit(X, y), params or {}
    made = replace(
        template, head=head, params=params, people=people, estimator=estimator, unknown=fit_score(X, y), gallery=gallery
    )
    bundles.write(made, folder / "m", "")
    return folder / "m"


# What rounding the gallery to float16 does most harm to.
HARD: dict[str, Callable[[Any, Vectors], Vectors]] = {
    "numbers that hardly differ": lambda rng, X: 1.234 + X * rng.choice([1e-3, 1e-4, 1e-5]),
    "one number that differs": lambda rng, X: np.c_[1.234 + X[:, :-1] * 1e-5, X[:, -1:]],
    "numbers near zero": lambda rng, X: X * rng.choice([1e-5, 1e-7, 1e-8]),
    "large numbers": lambda rng, X: np.minimum(X * 3000, 65000),
    "mostly zeros": lambda rng, X: X * (rng.random(X.shape) < 0.1),
    "pure noise": lambda rng, X: rng.gamma(2, 3, X.shape),
    "the same person": lambda rng, X: X[:1] + rng.normal(0, 1e-3, X.shape),
    "copies": lambda rng, X: X[rng.integers(0, 2, len(X))],
}


@pytest.mark.parametrize("kind", HARD)
def test_no_honest_model_is_refused(models: dict[str, Path], tmp_path: Path, kind: str) -> None:
    (tmp_path / "template").write_bytes(models["lda"].read_bytes())
    for seed in range(12):
        rng = np.random.default_rng(seed)
        y = np.repeat(np.arange(rng.integers(2, 6), dtype=np.int32), rng.integers(1, 4))
        X = rng.gamma(2, 3, (y.max() + 1, (1, 2, 3, 40)[seed % 4]))[y] * rng.gamma(25, 1 / 25, (len(y), 1))
        vectors = HARD[kind](rng, X).astype(np.float32)
        for head in ("knn", "svm", "prototype"):
            assert bundles.read(honest(head, vectors, y, tmp_path)).head == head


# Heads of other packages.


def test_a_head_without_checks_of_its_own(
    models: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "template").write_bytes(models["lda"].read_bytes())
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 6)).astype(np.float32), np.repeat(np.arange(3, dtype=np.int32), 4)

    def build(components: int = 2) -> Any:
        return make_pipeline(StandardScaler(), make_pipeline(PCA(components, svd_solver="full"), RidgeClassifier()))

    module = SimpleNamespace(build=build, SUMMARY="", GRID={}, TRUSTED=())
    monkeypatch.setattr(plugins, "_others", lambda kind: {"ridge": SimpleNamespace(load=lambda: module)})
    with pytest.raises(DamagedFile) as caught:
        bundles.read(honest("ridge", X, y, tmp_path))
    # What only fitting makes has to be named by the head, scikit-learn's own types too.
    binarizer = "sklearn.preprocessing._label.LabelBinarizer"
    assert str(caught.value).replace(str(tmp_path / "m"), "M") == held(binarizer)
    module.TRUSTED = (binarizer,)
    again = bundles.read(honest("ridge", X, y, tmp_path, {"components": 3}))
    assert again.estimator[-1][0].n_components == 3


# Fitted arrays that compiled code reads without looking, and shapes.

FITTED: list[tuple[str, tuple[str, ...], Callable[[Any], Any], str]] = [
    ("svm", ("_n_support",), lambda a: np.array([a.sum() + 2**30, -(2**30), 0, 0], a.dtype), "its support_ points at pictures that are not there"),
    ("svm", ("_n_support",), lambda a: np.r_[a, np.zeros(3000, a.dtype)], "its _n_support is no array of shape (4,)"),
    ("svm", ("_n_support",), lambda a: a[::-1], "its support vectors are pictures of other people"),
    ("svm", ("support_",), lambda a: a + 1000, "its support_ points at pictures that are not there"),
    ("svm", ("support_",), lambda a: a[:0], "its support_vectors_ is no array of shape (0, 16)"),
    ("svm", ("support_",), lambda a: a[::-1], "its support vectors are pictures of other people"),
    ("svm", ("_intercept_",), lambda a: a[:1], "its _intercept_ is no array of shape (6,)"),
    ("svm", ("_dual_coef_",), lambda a: a[:1, :1], "its _dual_coef_ is no array of shape (3, N)"),
    ("svm", ("support_vectors_",), lambda a: a[:, :1], "its support_vectors_ is no array of shape (N, 16)"),
    ("svm", ("support_vectors_",), lambda a: a[::-1], "its support_vectors_ does not hold the pictures of the gallery"),
    ("svm", ("_probA",), lambda a: np.zeros(6), "its _probA is no array of shape (0,)"),
    ("knn", ("_y",), lambda a: a + 1, "its pictures have other people"),
    ("knn", ("_y",), lambda a: a.astype(float), "its _y is no array of shape (11,)"),
    ("knn", ("_fit_X",), lambda a: a[:5], "its _fit_X is no array of shape (11, 16)"),
    ("knn", ("_fit_X",), lambda a: a[::-1], "its _fit_X does not hold the pictures of the gallery"),
    ("logreg", ("coef_",), lambda a: a[:, :3], "its coef_ is no array of shape (4, 16)"),
    ("logreg", ("intercept_",), lambda a: a[:1], "its intercept_ is no array of shape (4,)"),
    ("lda", ("coef_",), lambda a: a[:3], "its coef_ is no array of shape (4, 16)"),
    ("lda", ("intercept_",), lambda a: a[:, None], "its intercept_ is no array of shape (4,)"),
    ("lda", ("classes_",), lambda a: a[:3], "it knows other people or vectors than the manifest"),
    ("lda", ("classes_",), lambda a: a[::-1], "it knows other people or vectors than the manifest"),
    ("prototype", ("centre_",), lambda a: a[:1], "its centre_ is no array of shape (16,)"),
    ("prototype", ("whitening_", "variances"), lambda a: -a, "its variances are not above zero"),
    ("prototype", ("whitening_", "directions"), lambda a: a[:, :2], "its directions is no array of shape (N, 16)"),
    ("prototype", ("prototypes_",), lambda a: a[[1, 0, 2, 3]], "its prototypes are not those of its people"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "names", "to", "reason"), FITTED)
def test_fitted_arrays(
    wholes: dict[str, Whole], tmp_path: Path, head: str, names: tuple[str, ...], to: Callable[[Any], Any], reason: str
) -> None:
    said = refusal(wholes[head], tmp_path, with_array(HEAD, *names, to=to))
    assert said == other(reason.replace("N", str(n_rows(wholes[head], head))), head)


def n_rows(whole: Whole, head: str) -> int:
    """Return how many support vectors there are, or directions."""
    names = {"svm": ("support_",), "prototype": ("whitening_", "variances")}.get(head, ("classes_",))
    return len(whole.array(HEAD, whole.attribute(HEAD, 2, *names)["file"]))


def test_the_dense_networks_layers_fit_each_other(wholes: dict[str, Whole], tmp_path: Path) -> None:
    whole = wholes["dense"]
    first = node(whole, HEAD, "coefs_")[1]["content"][0]["file"]
    said = refusal(whole, tmp_path, lambda w: w.set(HEAD, first, w.array(HEAD, first)[:, :3]))
    assert said == other("its coefs_ is no array of shape (16, 6)", "dense")
    fewer = with_node(HEAD, "intercepts_", to=lambda found: found["content"].pop())
    assert refusal(whole, tmp_path, fewer) == "head.skops in M is refused: its arrays are not those of its schema.json."

"""dlib's network: it computes what dlib does, from faces cut as dlib cuts them."""

from __future__ import annotations

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from facefeat.data import picture
from facefeat.data.faces import DLIB, Face, FaceStep
from facefeat.engines.network import Engine
from facefeat.errors import DamagedFile, ForeignFile, InputError, MissingExtra, UsageError
from facefeat.features.backbones import dlib
from facefeat.features.encode import Encoder, plan
from facefeat.features.extract import extract
from facefeat.learn import bundle
from facefeat.learn.fit import fit
from tests.cli.test_commands import document, refused
from tests.making import person_pixels, random_pixels

installed = pytest.mark.skipif(find_spec(dlib.CARRIER) is None, reason="the extra 'dlib' is not installed")
POINTS = "shape_predictor_5_face_landmarks.dat"
SENTENCE = "The backbone dlib needs the extra 'dlib'; install it with: pip install 'facefeat[dlib]'"


@pytest.fixture(scope="module")
def carried() -> Path:
    return dlib._carried()


@pytest.fixture(scope="module")
def encoder(engine: Engine) -> Encoder:
    return Encoder(plan("dlib", flip=False), engine)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, orl: Path) -> Path:
    """Give a model of three people of ORL, three pictures each, that was made by the commands' own functions."""
    folder = tmp_path_factory.mktemp("dlib")
    for person in ("s01", "s02", "s03"):
        (folder / "people" / person).mkdir(parents=True)
        for number in ("01", "02", "03"):
            shutil.copyfile(orl / person / f"{number}.pgm", folder / "people" / person / f"{number}.pgm")
    file = extract(folder / "people", folder / "f.h5", plan("dlib", flip=False), workers=1).file
    fit(file, folder / "m.facefeat", head="prototype")
    return folder / "m.facefeat"


@installed
def test_a_plan_is_what_the_network_was_trained_with() -> None:
    recipe = plan("dlib").recipe
    assert (recipe.weights, recipe.weights_sha256) == ("resnet_v1", dlib.SHA256)
    assert (recipe.layers, recipe.pooling, recipe.input_size) == (("descriptor",), "avg", 150)
    assert (recipe.faces.template, recipe.faces.margin) == ("dlib", 0.0)


@installed
@pytest.mark.parametrize(
    ("choices", "step"),
    [
        ({"margin": 0.1}, ("dlib", 0.1)),
        ({"template": "dlib"}, ("dlib", 0.0)),
        ({"template": "box"}, ("box", FaceStep().margin)),
        ({"template": "arcface", "margin": 0.2}, ("arcface", 0.2)),
    ],
)
def test_a_face_step_that_was_asked_for_is_taken(choices: dict[str, Any], step: tuple[str, float]) -> None:
    made = plan("dlib", **choices).recipe.faces
    assert (made.template, made.margin) == step


def test_the_template_is_dlibs_mean_face_with_a_quarter_around_it() -> None:
    """dlib's own figures: six points of each eye, the tip of the nose, the corners of the mouth."""
    eye_x = [0.121737, 0.187122, 0.265825, 0.334606, 0.260918, 0.182743]
    other_x = [0.645647, 0.714428, 0.793132, 0.858516, 0.79751, 0.719335]
    eye_y = [0.216423, 0.178758, 0.179852, 0.231733, 0.245099, 0.244077]
    eyes = [(np.mean(eye_x), np.mean(eye_y)), (np.mean(other_x), np.mean(eye_y))]
    wanted = np.array([*eyes, (0.490127, 0.515625), (0.254149, 0.780233), (0.726104, 0.780233)])
    np.testing.assert_allclose(DLIB * 1.5 - 0.25, wanted, atol=1e-6)


@installed
def test_faces_lie_where_dlibs_own_alignment_puts_them(encoder: Encoder, carried: Path, orl: Path) -> None:
    """Its descriptors of one face, aligned by facefeat and by dlib's predictor of five points, are nearly the same."""
    library = pytest.importorskip("dlib", reason="dlib, whose alignment is compared, is not installed")
    predictor = library.shape_predictor(str(carried.with_name(POINTS)))
    for person in ("s01", "s07", "s20"):
        pixels = picture.decode((orl / person / "01.pgm").read_bytes())
        large = np.asarray(Image.fromarray(pixels).resize((276, 336)))  # dlib's detector wants 80 pixels
        box, *_ = library.get_frontal_face_detector()(large)
        theirs = library.get_face_chip(large, predictor(large, box), 150, 0.25)
        (face,) = encoder.finder.faces([encoder.finder.open((orl / person / "01.pgm").read_bytes())])
        assert isinstance(face, Face)
        a, b = encoder.vectors([face.pixels, theirs])["descriptor"]
        assert np.linalg.norm(a - b) < 0.3  # half of what tells two people apart


@installed
@pytest.mark.parametrize("batch", [1, 8])
def test_vectors_are_those_that_dlib_computes(engine: Engine, carried: Path, batch: int) -> None:
    library = pytest.importorskip("dlib", reason="dlib, which its own network is compared with, is not installed")
    squares = [random_pixels(150, 150, 1), person_pixels("ada", 1, 150), np.full((150, 150, 3), 255, np.uint8)]
    theirs = library.face_recognition_model_v1(str(carried)).compute_face_descriptor(squares)
    mine = Encoder(plan("dlib", flip=False), engine, batch).vectors(squares)["descriptor"]
    assert mine.shape == (3, 128)
    np.testing.assert_allclose(mine, np.array(theirs), atol=1e-5)


@installed
def test_faces_of_one_person_are_nearer_than_those_of_two(encoder: Encoder, orl: Path) -> None:
    """Davis King gives .6 as the distance below which two faces are of one person."""
    rows = []
    for person in ("s01", "s02", "s03"):
        opened = [encoder.finder.open((orl / person / f"{number}.pgm").read_bytes()) for number in ("01", "02")]
        rows += [face.pixels for face in encoder.finder.faces(opened) if not isinstance(face, Exception)]
    X = encoder.vectors(rows)["descriptor"]
    distances = np.linalg.norm(X[:, None] - X[None], axis=2)
    same = np.repeat(np.arange(3), 2)[:, None] == np.repeat(np.arange(3), 2)[None]
    assert distances[same].max() < 0.6 < distances[~same].min()


@installed
def test_threads_that_call_at_once_get_what_one_gets(encoder: Encoder) -> None:
    squares = [[random_pixels(150, 150, seed)] for seed in range(6)]
    alone = [encoder.vectors(one)["descriptor"] for one in squares]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: encoder.vectors(one)["descriptor"], squares))
    np.testing.assert_array_equal(together, alone)


@installed
def test_a_model_names_a_face_and_says_by_what(model: Path, orl: Path) -> None:
    told = document("predict", model, orl / "s02" / "05.pgm")
    assert [face["name"] for face in told["photos"][0]["faces"]] == ["s02"]
    assert told["ran_on"].startswith("openvino on ")
    assert document("check", model)["problems"] == []


@installed
@pytest.mark.parametrize(
    ("choices", "sentence"),
    [
        ({"size": 112}, "The backbone dlib takes faces of 150 pixels only; 112 was given."),
        ({"pooling": "grid2"}, "There is no pooling 'grid2'. There are: avg."),
        ({"layers": ["block4_pool"]}, "There is no layer 'block4_pool'. There are: descriptor."),
    ],
)
def test_what_it_does_not_have_is_refused(choices: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan("dlib", **choices)
    assert str(caught.value) == sentence


@installed
def test_weights_from_elsewhere_are_read_too(tmp_path: Path, carried: Path) -> None:
    own = tmp_path / "own.dat"
    shutil.copyfile(carried, own)
    found = dlib.weights(str(own))
    assert (found.name, found.sha256) == ("file", dlib.SHA256)
    assert {name: array.shape for name, array in found.read().items() if name.startswith(("conv1/", "desc"))} == {
        "conv1/kernel": (7, 7, 3, 32), "conv1/bias": (32,), "conv1/gamma": (32,), "conv1/beta": (32,),
        "descriptor/kernel": (256, 128),
    }  # fmt: skip
    with pytest.raises(InputError) as missing:
        dlib.weights("imagenet")
    assert str(missing.value) == (
        f"There is no weights file imagenet; the backbone dlib knows resnet_v1, or a file like {dlib.FILE}."
    )


@installed
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 22_000_000))
def test_a_file_that_was_cut_off_is_no_network(cut: int, carried: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.dat"
    path.write_bytes(carried.read_bytes()[:cut])
    with pytest.raises(ForeignFile) as caught:
        dlib.weights(str(path))
    assert str(caught.value) == f"{path} does not hold the layers of {dlib.FILE}, as dlib writes them."


@installed
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, carried: Path) -> None:
    data, path = bytearray(carried.read_bytes()), tmp_path / "nan.dat"
    at = data.index(b"affine_") + len("affine_") + 10  # behind its five integers
    data[at : at + 4] = np.float32(np.nan).tobytes()
    path.write_bytes(data)
    with pytest.raises(DamagedFile) as caught:
        dlib.weights(str(path))
    assert str(caught.value) == f"{path} holds numbers that are not finite."


@installed
@pytest.mark.parametrize("change", ["one bit", "all of it"])
def test_a_carried_file_that_is_damaged_is_not_used(
    change: str, tmp_path: Path, carried: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, path = bytearray(carried.read_bytes()), tmp_path / dlib.FILE
    data[len(data) // 2] ^= 1
    path.write_bytes(data if change == "one bit" else b"")
    monkeypatch.setattr(dlib, "_carried", lambda: path)
    with pytest.raises(DamagedFile) as caught:
        dlib.weights().read()
    assert str(caught.value) == (
        f"{path} is damaged; install it again with: pip install --force-reinstall face_recognition_models==0.3.0"
    )


@installed
def test_without_its_extra_commands_say_how_to_install_it(
    model: Path, people: Path, orl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert dlib.CARRIER not in sys.modules  # it is found, never imported
    monkeypatch.setitem(sys.modules, dlib.CARRIER, None)
    for words in (
        ("extract", people, "-o", tmp_path / "f.h5", "--backbone", "dlib"),
        ("predict", model, orl / "s01" / "01.pgm"),
    ):
        assert refused(7, *words) == SENTENCE
    with pytest.raises(MissingExtra):
        plan("dlib")
    assert bundle.read(model).recipe.backbone == "dlib"
    assert "dlib" in [one["name"] for one in document("backbones")["backbones"]]

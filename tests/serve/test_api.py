"""What the API answers: the numbers of the command line, and sentences where it cannot."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facefeat.learn import bundle as bundles
from facefeat.learn.predict import load
from facefeat.report.predicted import document
from tests.making import encoded, odd_pictures, random_pixels
from tests.serve.conftest import PEOPLE
from tests.serve.serving import Asker, picture_of, serving


@pytest.mark.parametrize("kind", ["image/png", "image/png; charset=binary", "application/octet-stream", "IMAGE/JPEG"])
def test_a_prediction_is_that_of_the_command_line(ask: Asker, fitted: Path, kind: str) -> None:
    found = ask("POST", "/api/predict?top=2", picture_of("bob"), kind)
    assert found.status == 200
    answer = found.document
    assert (answer["schema"], answer["width"], answer["height"]) == ("facefeat/serve-predict/1", 48, 48)
    for one in answer["faces"][0]["nearest"]:
        del one["address"]
    expected = document(load(fitted).predict([picture_of("bob")], 2), "")["photos"][0]["faces"]
    assert answer["faces"] == json.loads(json.dumps(expected))
    assert answer["faces"][0]["name"] == "bob" and len(answer["faces"][0]["candidates"]) == 2


def test_a_stranger_is_unknown(ask: Asker) -> None:
    face = ask("POST", "/api/predict", picture_of("mallory")).document["faces"][0]
    assert face["name"] is None and face["over_threshold"] < 0 and face["best"] in PEOPLE


def test_every_reason_leads_to_the_face_it_names(ask: Asker, fitted: Path) -> None:
    gallery = bundles.read(fitted).gallery
    for one in ask("POST", "/api/predict", picture_of("cleo")).document["faces"][0]["nearest"]:
        found = ask("GET", one["address"])
        assert (found.status, found.headers["content-type"]) == (200, "image/png")
        shown = np.asarray(Image.open(io.BytesIO(found.body)))
        assert np.array_equal(shown, gallery.pixels[gallery.paths.index(one["path"])])


def test_people_and_model(ask: Asker, fitted: Path) -> None:
    people = ask("GET", "/api/people").document
    assert {one["name"]: one["pictures"] for one in people["people"]} == PEOPLE
    assert people["threshold"] == bundles.read(fitted).threshold.value
    model = ask("GET", "/api/model").document
    assert (model["file"], model["head"], model["people"], model["pictures"]) == ("model.facefeat", "prototype", 4, 16)
    assert (model["report"], model["finds_faces"], model["problem"]) == (False, False, None)


ODD = {name: (data, code) for name, data, code in odd_pictures()}


@pytest.mark.parametrize(
    "name", ["zero_bytes.jpg", "text.jpg", "half.jpg", "half.png", "20k.png", "1x1.png", "paper.pdf"]
)
def test_a_bad_picture_is_refused_with_the_sentence_of_the_command_line(ask: Asker, tmp_path: Path, name: str) -> None:
    data, code = ODD[name]
    found = ask("POST", "/api/predict", data)
    assert found.refusal == (422, code)
    assert found.document["message"].endswith(".")


@pytest.mark.parametrize("name", ["exif_6.png", "plain.tif", "animated.gif", "grey16.pgm", "rgba_half_seen.png"])
def test_an_odd_picture_is_read(ask: Asker, name: str) -> None:
    assert ask("POST", "/api/predict", ODD[name][0]).status == 200


def test_sides_are_those_of_the_upright_picture(ask: Asker) -> None:
    wide = random_pixels(40, 64)
    turned = Image.fromarray(wide)
    exif = Image.Exif()
    exif[0x0112] = 6
    found = ask("POST", "/api/predict", encoded(turned, exif=exif)).document
    assert (found["width"], found["height"]) == (40, 64)


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status", "code", "message"),
    [
        ("POST", "/api/predict?top=0", b"x", "image/png", 400, "bad_request", "top is a number from 1 to 1000, but '0' came."),
        ("POST", "/api/predict?top=9e9", b"x", "image/png", 400, "bad_request", "top is a number from 1 to 1000, but '9e9' came."),
        ("POST", "/api/predict", b"x", "text/plain", 415, "media_type", "A picture is sent as image/* or application/octet-stream, but this came as text/plain."),
        ("POST", "/api/people/eve", b"[", "application/json", 400, "bad_request", "The body is no JSON document."),
        ("POST", "/api/people/eve", b"{}", "application/json", 400, "bad_request", 'A document such as {"pictures": ["..."]} is expected, with the names that POST /api/pictures gave.'),
        ("POST", "/api/people/eve", b'{"pictures": ["nobody"]}', "application/json", 404, "not_found", "A picture is no longer kept: they wait for 15 minutes. Send it again."),
        ("DELETE", "/api/people/eve", None, "", 404, "not_found", "The model knows nobody of that name."),
        ("GET", "/api/people/eve/pictures/0", None, "", 404, "not_found", "The model knows nobody of that name."),
        ("GET", "/api/people/ada/pictures/4", None, "", 404, "not_found", "Of that person there are the pictures 0 to 3."),
        ("GET", "/report", None, "", 404, "not_found", "There is no report; start with --report FILE.html to have one here."),
        ("GET", "/api", None, "", 404, "not_found", "There is nothing here; /openapi.json lists what there is."),
        ("GET", "/../../etc/passwd", None, "", 404, "not_found", "There is nothing here; /openapi.json lists what there is."),
        ("GET", "/%2e%2e%2fpyproject.toml", None, "", 404, "not_found", "There is nothing here; /openapi.json lists what there is."),
        ("PUT", "/api/people", None, "", 405, "method", "This address does not take PUT."),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(
    ask: Asker, method: str, path: str, body: bytes | None, kind: str, status: int, code: str, message: str
) -> None:
    found = ask(method, path, body, kind)
    assert (found.status, found.document) == (status, {"code": code, "message": message})


def test_a_report_is_shown_as_it_is_and_may_style_itself(fitted: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("<!DOCTYPE html><style>p { color: red }</style><p>LDA wins.</p>")
    with serving(fitted, report=page) as ask:
        found = ask("GET", "/report")
        assert found.body == page.read_bytes()
        policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'"
        assert found.headers["content-security-policy"] == policy
        assert ask("GET", "/api/model").document["report"] is True


def test_a_model_without_faces_shows_none(thumb_file: Path, tmp_path: Path) -> None:
    from facefeat.features.store.file import read
    from facefeat.learn.fit import fit

    model = fit(read(thumb_file), tmp_path / "bare.facefeat", head="prototype", keep_faces=False).output
    with serving(model) as ask:
        assert all(one["address"] is None for one in ask("GET", "/api/people").document["people"])
        nearest = ask("POST", "/api/predict", picture_of("ada")).document["faces"][0]["nearest"]
        assert nearest and all(one["address"] is None for one in nearest)
        assert ask("GET", "/api/people/ada/pictures/0").document["message"] == "This model keeps no faces."

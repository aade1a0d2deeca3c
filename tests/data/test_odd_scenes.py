"""Scenes that nobody meant for a face detector: what each gives, as a row and when it is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from facefeat.features.store.file import FeatureFile, read
from tests.cli.test_commands import document, run
from tests.data.test_yunet import photograph, yunet_file
from tests.making import Pixels, encoded, halves, random_pixels

PASTED = 40  # faces of the crowd

# What each is: width, height, and the number of faces found in it. A face narrower than 4 % of the picture's longer
# side does not count, so none of the panorama does.
SCENES = {
    "astronaut.png": (512, 512, 1),
    "black.png": (400, 300, 0),
    "cat.png": (451, 300, 0),
    "crowd.png": (1600, 1200, PASTED),
    "drawing.png": (400, 400, 0),
    "noise.png": (640, 480, 0),
    "panorama.jpg": (20_000, 300, 0),
    "panorama.png": (20_000, 300, 0),
    "red.png": (200, 200, 0),
    "thin_high.png": (16, 3000, 0),
    "thin_wide.png": (3000, 16, 0),
    "two_colours.png": (300, 200, 0),
    "wall.png": (640, 480, 0),
}


def crowd(orl: Path) -> Pixels:
    scene = Image.new("L", (1600, 1200), 120)
    for place in range(PASTED):
        face = Image.open(orl / f"s{place + 1:02}" / "01.pgm").resize((120, 146), Image.Resampling.BICUBIC)
        scene.paste(face, (20 + place % 10 * 158, 60 + place // 10 * 280))
    return np.asarray(scene.convert("RGB"))


def drawing() -> Pixels:
    """Draw a face of circles and lines."""
    picture = Image.new("RGB", (400, 400), "white")
    pen = ImageDraw.Draw(picture)
    pen.ellipse((80, 40, 320, 360), outline="black", width=5)
    for left in (140, 230):
        pen.ellipse((left, 140, left + 40, 165), outline="black", width=4)
        pen.ellipse((left + 13, 145, left + 27, 160), fill="black")
    pen.line((200, 170, 188, 230, 208, 232), fill="black", width=4)
    pen.arc((150, 250, 250, 310), 20, 160, fill="black", width=5)
    return np.asarray(picture)


def panorama(orl: Path) -> Image.Image:
    """Blend colours over a very wide picture, with a few faces in it."""
    picture = Image.fromarray(random_pixels(6, 200)).resize((20_000, 300), Image.Resampling.BILINEAR)
    for place in range(10):
        face = Image.open(orl / f"s{place + 1:02}" / "01.pgm").resize((180, 219))
        picture.paste(face.convert("RGB"), (500 + 2000 * place, 40))
    return picture


def written(root: Path, orl: Path) -> None:
    wide = panorama(orl)
    grain = np.random.default_rng(0).normal(244, 1.5, (480, 640, 1))
    pictures: dict[str, Any] = {
        "astronaut.png": photograph("astronaut.png"),
        "black.png": np.zeros((300, 400, 3), np.uint8),
        "cat.png": photograph("chelsea.png"),
        "crowd.png": crowd(orl),
        "drawing.png": drawing(),
        "noise.png": random_pixels(480, 640),
        "panorama.jpg": wide,
        "panorama.png": wide,
        "red.png": np.full((200, 200, 3), (255, 0, 0), np.uint8),
        "thin_high.png": random_pixels(3000, 16),
        "thin_wide.png": random_pixels(16, 3000),
        "two_colours.png": halves(width=300, height=200),
        "wall.png": np.clip(grain, 0, 255).astype(np.uint8).repeat(3, axis=2),
    }
    for name, pixels in pictures.items():
        (root / name).write_bytes(
            encoded(pixels, "JPEG") if name.endswith("jpg") else encoded(pixels, compress_level=1)
        )


@pytest.fixture(scope="module")
def made(orl: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a folder with the scenes of one person and faces of two others, its feature file and a model."""
    root = tmp_path_factory.mktemp("scenes")
    (root / "people" / "scenes").mkdir(parents=True)
    written(root / "people" / "scenes", orl)
    for person in ("s01", "s02"):
        (root / "people" / person).mkdir()
        for number in range(1, 5):
            face = Image.open(orl / person / f"{number:02}.pgm")
            (root / "people" / person / f"{number}.png").write_bytes(encoded(face))
    done = run("extract", root / "people", "-o", root / "f.h5", "--backbone", "thumb")
    assert done.exit_code == 0, done.stderr
    assert run("fit", root / "f.h5", "--head", "lda", "-o", root / "m.facefeat").exit_code == 0
    return root


@pytest.fixture(scope="module")
def file(made: Path) -> FeatureFile:
    return read(made / "f.h5")


def paths(made: Path) -> list[Path]:
    return [made / "people" / "scenes" / name for name in SCENES]


def test_every_scene_is_a_row(file: FeatureFile) -> None:
    assert file.skipped == ()
    assert [path for path in file.paths if path.startswith("scenes/")] == [f"scenes/{name}" for name in SCENES]
    for layer in file.layers:
        assert np.isfinite(file.vectors(layer)).all()


@pytest.mark.parametrize("name", SCENES)
def test_the_faces_that_were_found(file: FeatureFile, name: str) -> None:
    width, height, n = SCENES[name]
    row = file.paths.index(f"scenes/{name}")
    count, found, box = (file.columns[f"faces/{column}"][row] for column in ("count", "found", "box"))
    assert n - 15 <= count <= n if name == "crowd.png" else count == n
    assert found == (n > 0)
    if not n:
        assert box.tolist() == [0, 0, width, height]
        assert np.isnan(file.columns["faces/score"][row]) and np.isnan(file.columns["faces/landmarks"][row]).all()
    else:
        assert -0.1 * width < box[0] < box[2] < 1.1 * width and -0.1 * height < box[1] < box[3] < 1.1 * height


def test_of_a_crowd_all_are_named_from_left_to_right(made: Path, file: FeatureFile) -> None:
    picture = made / "people" / "scenes" / "crowd.png"
    (photo,) = document("predict", made / "m.facefeat", picture)["photos"]
    assert len(photo["faces"]) == file.columns["faces/count"][file.paths.index("scenes/crowd.png")] >= 25
    lefts = [face["box"][0] for face in photo["faces"]]
    assert lefts == sorted(lefts)
    places = {(round((face["box"][0] - 20) / 158), round((face["box"][1] - 60) / 280)) for face in photo["faces"]}
    assert len(places) == len(photo["faces"]) and places <= {(x, y) for x in range(10) for y in range(4)}


def test_every_scene_is_named_as_a_whole_or_by_its_faces(made: Path) -> None:
    photos = document("predict", made / "m.facefeat", *paths(made))["photos"]
    for (name, (width, height, n)), photo in zip(SCENES.items(), photos, strict=True):
        assert photo["error"] is None
        if name != "crowd.png":
            assert len(photo["faces"]) == max(n, 1)
        assert [face["found"] for face in photo["faces"]] == [n > 0] * len(photo["faces"])
        if not n:
            assert photo["faces"][0]["box"] == [0, 0, width, height]
    told = run("predict", made / "m.facefeat", *paths(made))
    assert told.exit_code == 0
    whole = "no face was looked for or found; this is the whole picture"
    assert told.stdout.count(whole) == sum(n == 0 for _, _, n in SCENES.values())


def test_pictures_without_a_face_are_refused_where_one_is_required(made: Path, tmp_path: Path) -> None:
    words = ["--backbone", "thumb", "--policy", "require-one"]
    found = document("extract", made / "people", "-o", tmp_path / "f.h5", *words)
    codes = {1: None, 0: "no_face", PASTED: "several_faces"}
    assert {one["path"]: one["code"] for one in found["skipped"]} == {
        f"scenes/{name}": codes[n] for name, (_, _, n) in SCENES.items() if codes[n]
    }


def test_yunet_finds_no_more_in_them(made: Path, tmp_path: Path) -> None:
    words = ["--backbone", "thumb", "--faces", f"yunet:{yunet_file()}"]
    assert run("extract", made / "people", "-o", tmp_path / "f.h5", *words).exit_code == 0
    theirs = read(tmp_path / "f.h5")
    count = dict(zip(theirs.paths, theirs.columns["faces/count"].tolist(), strict=True))
    # Its picture of the crowd has 320 pixels, where a face is too small for its least score.
    expected = {name: 0 if name == "crowd.png" else n for name, (_, _, n) in SCENES.items()}
    assert {name: count[f"scenes/{name}"] for name in SCENES} == expected

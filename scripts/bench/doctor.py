"""How well copies, wrong names, blur and turned faces are told: the figures behind ``facefeat doctor``.

scripts/bench/doctor.py [--squad FOLDER]

Altered copies: every ORL person's one picture, and 60 of squad's photographs, are saved again in ways that the web does,
found and cut anew, and compared with the original by what a feature file holds. Exchanged labels: 5 % of ORL's, ten
times; how many are among the first 8 % of all pictures, ordered by suspicion. Turned: lda on five upright pictures a
person, the other five turned by 20 degrees to either side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from faces import cut_squares, find, folder_people, main, orl_people, vectors
from PIL import Image, ImageEnhance, ImageFilter
from scipy.ndimage import gaussian_filter

from facefeat.curate.doctor import SUSPECT_FOLDS, examine
from facefeat.curate.suspects import suspicion
from facefeat.data import faces, picture
from facefeat.data.faces import Face
from facefeat.data.quality import grey, sharpness
from facefeat.data.registration import agreement
from facefeat.engines.network import Engine
from facefeat.features.backbone import usual_layer
from facefeat.features.encode import Encoder, plan
from facefeat.features.layers import joined
from facefeat.learn import copies
from facefeat.learn import head as heads
from facefeat.learn.splits import folds

LAYER = "block4_pool"
DRAWS = 10
PHOTOGRAPHS = 60
BLURS = (0.0, 0.7, 1.0, 1.5, 2.0)  # standard deviations, pixels of the face at 64


def shrunk(image: Image.Image, by: int) -> Image.Image:
    """Return an image with fewer pixels."""
    return image.resize((max(40, image.width // by), max(40, image.height // by)), Image.Resampling.LANCZOS)


def cut(image: Image.Image) -> Image.Image:
    """Return an image without its borders."""
    w, h = image.size
    return image.crop((w // 10, h // 20, w - w // 8, h - h // 9))


ALTERED: dict[str, tuple[Callable[[Image.Image], Image.Image], int]] = {
    "JPEG of quality 30": (lambda image: image, 30),
    "half the size": (lambda image: shrunk(image, 2), 85),
    "a third of the size": (lambda image: shrunk(image, 3), 85),
    "borders cut off": (cut, 90),
    "brighter (gamma 0.6)": (lambda image: Image.eval(image, lambda v: round(255 * (v / 255) ** 0.6)), 85),
    "less colour and contrast": (lambda image: ImageEnhance.Contrast(ImageEnhance.Color(image).enhance(0.3)).enhance(0.7), 85),
    "turned by 5 degrees": (lambda image: image.rotate(5, Image.Resampling.BICUBIC), 90),
    "mirrored": (lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), 85),
    "slightly blurred": (lambda image: image.filter(ImageFilter.GaussianBlur(max(image.size) / 640)), 85),
}  # fmt: skip


def measure(squad: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Yield the rows of all tables."""
    encoder = Encoder(plan(), engine)
    orl = list(orl_people())
    yield from altered("ORL", [path for path, _ in orl[::10]], encoder)
    if squad:
        photographs = [path for path, _ in folder_people(squad / "Train")]
        some = np.random.default_rng(0).permutation(len(photographs))[:PHOTOGRAPHS]
        yield from altered("squad", [photographs[i] for i in some], encoder)
    data = find(iter(orl), engine)
    X = vectors(data, engine)[LAYER]
    pixels = greys(data, encoder)
    yield others(X, pixels, data.person)
    yield from exchanged(X, data.person, data.people)
    yield turned(orl, encoder)
    yield from blurred("ORL", pixels)
    if squad:
        yield from blurred("squad", greys(find(folder_people(squad / "Train"), engine), encoder))
        yield from diagnosed(squad)


def greys(data: Any, encoder: Encoder) -> Any:
    """Return the grey faces as a feature file keeps them."""
    squares = cut_squares(data, faces.FaceStep("mtcnn"), encoder.recipe.input_size)
    return np.array([grey(square) for square in squares])


def altered(name: str, files: list[Path], encoder: Encoder) -> Iterator[dict[str, Any]]:
    """Say of each alteration how many copies are told."""
    images = [Image.fromarray(picture.load(file).pixels) for file in files]
    originals = [face_of(saved(image, 95), encoder) for image in images]
    for what, (change, quality) in ALTERED.items():
        changed = [face_of(saved(change(image), quality), encoder) for image in images]
        pairs = [(a, b) for a, b in zip(originals, changed, strict=True) if a and b]
        one, other = (np.array([grey(face.pixels) for face in some]) for some in zip(*pairs, strict=True))
        found = np.maximum(agreement(one, other), agreement(one, other[:, :, ::-1]))
        yield {
            "pictures": name,
            "altered": what,
            "face found in both": f"{len(pairs)} of {len(images)}",
            "median agreement": float(np.median(found)),
            "told": float(np.mean(found >= copies.AGREEMENT)),
        }


def saved(image: Image.Image, quality: int) -> bytes:
    """Return an image as a JPEG."""
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def face_of(data: bytes, encoder: Encoder) -> Face | None:
    """Find the face of a picture."""
    face = encoder.finder.faces([encoder.finder.open(data)])[0]
    return face if isinstance(face, Face) and face.found else None


def others(X: Any, pixels: Any, person: Any) -> dict[str, Any]:
    """Count the pairs of ORL, which has no copies, that are taken for copies."""
    found = copies.near_copies(copies.Faces(X, pixels, person))
    same = sum(person[one.first] == person[one.second] for one in found)
    return {
        "ORL, pairs of different photographs": "taken for copies",
        "1,800 of one person": f"{same}",
        "78,000 of two people": f"{len(found) - same}",
    }


def exchanged(X: Any, y: Any, people: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Exchange labels, and say how many of them are found."""
    n, first = len(y), round(0.08 * len(y))
    for draw in range(DRAWS):
        rng = np.random.default_rng(draw)
        chosen = rng.permutation(n)[: n // 20]
        wrong = y.copy()
        while not (wrong[chosen] != y[chosen]).all():
            wrong[chosen] = y[rng.permutation(chosen)]
        cut = folds(wrong, np.arange(n), people, n_folds=SUSPECT_FOLDS)
        margin = suspicion(X, wrong, cut, 2).margin
        order = np.argsort(-margin, kind="stable")
        yield {
            "ORL, labels exchanged, draw": draw,
            "exchanged": len(chosen),
            f"of them among the first {first}": f"{np.isin(chosen, order[:first]).sum()}",
            f"among the first {len(chosen)}": f"{np.isin(chosen, order[: len(chosen)]).sum()}",
            "named as suspects": f"{np.sum(margin > 0)}",
        }


def turned(orl: list[tuple[Path, str]], encoder: Encoder) -> dict[str, Any]:
    """Name people whose pictures are turned, by a head that saw upright ones."""
    people = sorted({name for _, name in orl})
    number = {name: i for i, name in enumerate(people)}
    squares: dict[str, list[Any]] = {"train": [], "upright": [], "turned": []}
    labels: dict[str, list[int]] = {"train": [], "test": []}
    for place, (file, name) in enumerate(orl):
        image = Image.fromarray(picture.load(file).pixels)
        train = place % 10 < 5
        labels["train" if train else "test"].append(number[name])
        squares["train" if train else "upright"].append(chosen(image, encoder))
        if not train:
            edge = tuple(int(v) for v in np.asarray(image)[[0, -1]].reshape(-1, 3).mean(axis=0))
            angle = 20 if place % 2 else -20
            squares["turned"].append(
                chosen(image.rotate(angle, Image.Resampling.BICUBIC, True, fillcolor=edge), encoder)
            )
    X = {what: joined(encoder.vectors(some), usual_layer(encoder.recipe)) for what, some in squares.items()}
    head = heads.build("lda").fit(X["train"], np.array(labels["train"]))
    right = {what: float(np.mean(head.predict(X[what]) == labels["test"])) for what in ("upright", "turned")}
    return {"lda, ORL, 5 train, 5 test": "", "upright": right["upright"], "turned by 20 degrees": right["turned"]}


def chosen(image: Image.Image, encoder: Encoder) -> Any:
    """Return the square that the network sees of an image."""
    buffer = BytesIO()
    image.save(buffer, "PNG")
    face = encoder.finder.faces([encoder.finder.open(buffer.getvalue())])[0]
    assert isinstance(face, Face)
    return face.pixels


def blurred(name: str, pixels: Any) -> Iterator[dict[str, Any]]:
    """Say how sharp faces are, as they are and blurred."""
    for sigma in BLURS:
        soft = gaussian_filter(pixels.astype(np.float32), (0, sigma, sigma)).round().astype(np.uint8)
        low, middle, high = np.quantile(sharpness(soft), (0.01, 0.5, 0.99))
        yield {"pictures": name, "blurred by": sigma, "sharpness, 1 %": low, "median": middle, "99 %": high}


def diagnosed(squad: Path) -> Iterator[dict[str, Any]]:
    """Count what is found in squad's Train against Test, and list the near copies."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        found = examine(squad / "Train", against=squad / "Test", features=Path(folder) / "f.h5")
    leaks, doubles = found.of("leak"), found.of("duplicate")
    yield {
        "squad": "Train against Test",
        "leaks, byte for byte": sum(one.value == 1 for one in leaks),
        "near leaks": sum(one.value != 1 for one in leaks),
        "groups of copies": len({one.other for one in doubles}),
        "copies": len(doubles),
        "near copies": len(found.of("near_duplicate")),
    }
    for one in (*found.of("near_duplicate"), *leaks):
        if one.value != 1:
            yield {"near copy": one.path, "of": one.other, "where": one.kind, "agreement": one.value}


if __name__ == "__main__":
    main(measure, __doc__)

"""The face step against mtcnn's own code, on photographs whose longer side is 640 pixels.

How long each takes for the same pixels, turn about; whether they find the same faces; where facefeat's time goes.
The face step is finding the faces, choosing one and cutting it out; mtcnn's code only finds them. Without --squad
the photographs are scenes with ORL faces.

scripts/bench/detector.py [--squad FOLDER]
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from faces import folder_people, main, orl_people
from PIL import Image

from facefeat.data import faces, mtcnn, picture, pyramid
from facefeat.data.detections import Detections
from facefeat.data.mtcnn import MTCNN
from facefeat.engines.choose import choose
from facefeat.engines.keras import import_keras
from facefeat.engines.network import Engine

SIDE = 640  # pixels
SQUARE = 112
GROUP = 8  # photographs whose faces are found together
SCENES = 64
STEP = faces.FaceStep(MTCNN.name, max_side=SIDE)


def photographs(root: Path | None) -> list[Any]:
    """Return the pixels of all photographs."""
    if root is None:
        return list(scenes())
    files = [path for part in ("Train", "Test") for path, _ in folder_people(root / part)]
    return [fitted(picture.load(path).pixels) for path in files]


def fitted(pixels: Any) -> Any:
    """Resize a photograph to ``SIDE`` pixels on its longer side."""
    height, width = (max(1, round(side * SIDE / max(pixels.shape[:2]))) for side in pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def scenes() -> Iterator[Any]:
    """Yield scenes of coloured clouds and grain, each with three ORL faces of different sizes."""
    rng, paths = np.random.default_rng(0), [path for path, _ in orl_people()]
    for _ in range(SCENES):
        clouds = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((SIDE, 480))
        scene = Image.fromarray((np.asarray(clouds) * 0.8 + rng.integers(0, 52, (480, SIDE, 3))).astype(np.uint8))
        for third in range(3):
            face = Image.open(paths[rng.integers(len(paths))])
            width = int(rng.integers(50, SIDE // 3))
            face = face.resize((width, width * face.height // face.width))
            scene.paste(face.convert("RGB"), (third * SIDE // 3, int(rng.integers(0, 480 - face.height))))
        yield np.asarray(scene)


def face_step(pixels: Sequence[Any], detector: MTCNN) -> None:
    """Find the faces of photographs, choose one of each and cut it out."""
    for one, found in zip(pixels, faces.detect_all(pixels, detector, STEP), strict=True):
        index = faces.choose(found, STEP.policy, *one.shape[1::-1])
        _ = faces.whole(one, SQUARE) if index is None else faces.cut(one, found, index, STEP, SQUARE)


def measure(root: Path | None, engine: Engine) -> Iterator[dict[str, Any]]:
    """Yield the rows of the three tables."""
    pixels = photographs(root)
    detector = MTCNN(engine)
    theirs: list[Any] = []
    yield from times(pixels, detector, theirs)
    yield agreement(theirs, detector.detect_all(pixels))
    yield parts(pixels, engine)


def times(pixels: list[Any], detector: MTCNN, theirs: list[Any]) -> Iterator[dict[str, Any]]:
    """Take every way in turn through a few photographs, until all are done; keep what mtcnn's code finds."""
    import_keras()  # silences TensorFlow
    from mtcnn import MTCNN as Reference

    reference, cores = Reference(), os.cpu_count() or 1
    beside = MTCNN(choose(streams=cores))
    pool = ThreadPoolExecutor(cores)

    def own(some: list[Any]) -> None:
        theirs.extend(reference.detect_faces(one, output_type="numpy", box_format="xyxy") for one in some)

    def groups(some: list[Any]) -> list[list[Any]]:
        return [some[start : start + GROUP] for start in range(0, len(some), GROUP)]

    ways: dict[str, Callable[[list[Any]], Any]] = {
        "mtcnn's own code": own,
        "facefeat, one at a time": lambda some: [face_step([one], detector) for one in some],
        f"facefeat, {GROUP} together": lambda some: [face_step(group, detector) for group in groups(some)],
        f"facefeat, {cores} x {GROUP} side by side": lambda some: list(
            pool.map(lambda group: face_step(group, beside), groups(some))
        ),
    }
    for way in ways.values():
        way(pixels[: cores * GROUP])
    theirs.clear()
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for start in range(0, len(pixels), cores * GROUP):
        some = pixels[start : start + cores * GROUP]
        for name, way in ways.items():
            started = time.perf_counter()
            way(some)
            spent[name].append((time.perf_counter() - started) / len(some))
    first = float(np.median(spent["mtcnn's own code"]))
    for name, seconds in spent.items():
        median = float(np.median(seconds))
        yield {"face step": name, "ms a photograph": f"{median * 1000:.1f}", "times as fast": f"{first / median:.2f}"}


def agreement(theirs: list[Any], ours: list[Detections]) -> dict[str, Any]:
    """Compare all faces found, whatever their score and size."""
    best: list[float] = []
    matched = 0
    for reference, found in zip(theirs, ours, strict=True):
        overlaps = np.array([[overlap(face[1:5], box) for box in found.boxes] for face in reference])
        overlaps = overlaps.reshape(len(reference), len(found))
        best += overlaps.max(axis=1, initial=0).tolist()
        matched += int((overlaps.max(axis=0, initial=0) >= 0.5).sum())
    n_ours = sum(map(len, ours))
    return {
        "photographs": len(ours),
        "faces of mtcnn's": len(best),
        "with IoU .95": f"{np.mean(np.array(best) >= 0.95):.4f}",
        "lowest IoU": f"{min(best):.4f}",
        "only mtcnn's": int((np.array(best) < 0.5).sum()),
        "only facefeat's": n_ours - matched,
    }


def overlap(a: Any, b: Any) -> float:
    """Return the intersection over union of two boxes."""
    sides = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)
    return float(np.prod(sides) / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - np.prod(sides)))


def parts(pixels: list[Any], engine: Engine) -> dict[str, Any]:
    """Tell where the time goes, in ms a photograph."""
    spent: Counter[str] = Counter()

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*args, **options)
            finally:
                spent[name] += time.perf_counter() - started

        return instead

    load = engine.load
    functions = ((pyramid, "cut_tiles"), (pyramid, "windows"), (mtcnn, "suppress"), (mtcnn, "crops"), (faces, "cut"))
    with ExitStack() as stack:
        stack.enter_context(patch.object(engine, "load", lambda network: timed(network.name, load(network))))
        for module, name in functions:
            stack.enter_context(patch.object(module, name, timed(name, getattr(module, name))))
        run = timed("all", face_step)
        detector = MTCNN(engine)
        for start in range(0, len(pixels), GROUP):
            run(pixels[start : start + GROUP], detector)
    everything = spent.pop("all")
    spent["rest"] = everything - spent.total()
    return {f"{name}, ms": f"{1000 * seconds / len(pixels):.2f}" for name, seconds in spent.items()}


if __name__ == "__main__":
    main(measure, __doc__)

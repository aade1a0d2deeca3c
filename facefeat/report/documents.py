"""Results as JSON documents, one schema a command."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data.folder import escaped
from facefeat.features.store.file import FeatureFile
from facefeat.learn.search import search_of

if TYPE_CHECKING:
    from facefeat.features.extract import Extraction
    from facefeat.features.merge import Merged
    from facefeat.features.prune import Pruned
    from facefeat.features.store.check import Checked, Remark, Unfinished
    from facefeat.learn.bundle import Bundle
    from facefeat.learn.check import Seen
    from facefeat.learn.fit import Fitted
    from facefeat.learn.metrics import Share


def extraction(made: Extraction) -> dict[str, Any]:
    """Describe an extraction; schema ``facefeat/extract/1``."""
    maker = made.file.made_by
    total = made.seconds.total
    return {
        "schema": "facefeat/extract/1",
        "images": made.images,
        "people": len(made.file.people),
        "rows": len(made.file),
        "computed": made.computed,
        "reused": made.reused,
        "duplicates": made.duplicates,
        "copies": made.copies,
        "without_face": made.whole,
        "skipped": _skipped(made.file),
        "output": escaped(str(made.file.path)),
        "recipe": made.file.recipe.as_dict(),
        "recipe_sha256": made.file.recipe.sha256,
        "engine": maker["engine"],
        "device": maker["device"],
        "precision": maker["precision"],
        "seconds": {name: round(value, 3) for name, value in asdict(made.seconds).items()},
        "images_per_second": round(made.pictures / total, 2) if total else None,
        "nodes": [{**asdict(one), "seconds": round(one.seconds, 3)} for one in made.nodes],
    }


def fitted(made: Fitted) -> dict[str, Any]:
    """Describe a fitted head; schema ``facefeat/fit/1``."""
    bundle = made.bundle
    return {
        "schema": "facefeat/fit/1",
        "head": bundle.head,
        "layer": bundle.layer,
        "params": bundle.params,
        "chosen": made.how,
        "people": len(bundle.people),
        "rows": made.rows,
        "pictures": len(bundle.gallery.pictures.paths),
        "copies": bundle.gallery.n_copies,
        "threshold": asdict(bundle.threshold),
        "confidence": asdict(bundle.confidence) if bundle.confidence else None,
        "search": _search(bundle),
        "output": escaped(str(made.output)),
        "seconds": round(made.seconds, 3),
    }


def info(seen: Seen) -> dict[str, Any]:
    """Describe a feature file or a bundle; schema ``facefeat/info/1``."""
    contents = seen.contents
    kind = "features" if isinstance(contents, FeatureFile) else "bundle"
    start = {"schema": "facefeat/info/1", "path": escaped(str(seen.path)), "kind": kind, "bytes": seen.bytes}
    described = _feature_file(contents) if isinstance(contents, FeatureFile) else _bundle(contents)
    recipe = {"recipe": contents.recipe.as_dict(), "recipe_sha256": contents.recipe.sha256}
    return {**start, **described, **recipe, "unfinished": {"rows": seen.work_rows, **_work(seen.work)}}


def _feature_file(file: FeatureFile) -> dict[str, Any]:
    copies, of_others = file.copies()
    return {
        "rows": len(file),
        "people": _counts(file.people, file.person[file.original]),
        "copies": {"rows": copies, "of_other_people": of_others},
        "augmentation": _augmentation(file),
        "without_face": int((~file.found & file.original).sum()),
        "skipped": _skipped(file),
        "layers": {
            layer: {"width": int(file.vectors(layer).shape[1]), "dtype": str(file.vectors(layer).dtype)}
            for layer in file.layers
        },
        "made_by": file.made_by,
    }


def _augmentation(file: FeatureFile) -> dict[str, Any] | None:
    """Describe the augmented copies of a file; null where there are none."""
    copies = len(file) - file.n_pictures
    ranges = json.loads(file.augmentation) if file.augmentation else None
    return {"rows": copies, "each": file.n_each, "ranges": ranges} if copies else None


def _bundle(bundle: Bundle) -> dict[str, Any]:
    return {
        "head": bundle.head,
        "params": bundle.params,
        "layer": bundle.layer,
        "people": _counts(bundle.people, bundle.gallery.pictures.person),
        "rows": len(bundle.gallery.paths),
        "pictures": len(bundle.gallery.pictures.paths),
        "copies": bundle.gallery.n_copies,
        "threshold": asdict(bundle.threshold),
        "confidence": asdict(bundle.confidence) if bundle.confidence else None,
        "search": _search(bundle),
        "scores": bundle.scores,
        "versions": bundle.versions,
    }


def _search(bundle: Bundle) -> dict[str, Any] | None:
    """Say how the nearest of very many rows are looked for; null where they are not that many."""
    found = search_of(bundle.head, bundle.estimator)
    return asdict(found) if found else None


def checked(found: Checked) -> dict[str, Any]:
    """Describe a check; schema ``facefeat/check/1``."""
    return {
        "schema": "facefeat/check/1",
        "path": escaped(str(found.path)),
        "kind": found.kind,
        "ok": not found.problems,
        "checked": {
            "bytes": found.bytes,
            "sha256": found.sha256,
            **found.counts,
            "seconds": round(found.seconds, 3),
        },
        "problems": _remarks(found.problems),
        "notes": _remarks(found.notes),
    }


def merged(made: Merged) -> dict[str, Any]:
    """Describe a merge; schema ``facefeat/merge/1``."""
    return {
        "schema": "facefeat/merge/1",
        "inputs": [{"path": escaped(str(path)), "rows": n, "new": new} for path, n, new in made.inputs],
        "output": escaped(str(made.file.path)),
        "rows": len(made.file),
        "people": len(made.file.people),
        "skipped": _skipped(made.file),
        "recipe": made.file.recipe.as_dict(),
        "recipe_sha256": made.file.recipe.sha256,
        "seconds": round(made.seconds, 3),
    }


def pruned(made: Pruned) -> dict[str, Any]:
    """Describe a pruning; schema ``facefeat/prune/1``."""
    return {
        "schema": "facefeat/prune/1",
        "path": escaped(str(made.path)),
        "taken_out": {"rows": made.rows, "skipped": made.skipped, "people": list(made.people)},
        "rows": len(made.file) if made.file else None,
        "people": len(made.file.people) if made.file else None,
        "to_extract": made.to_extract,
        "unreadable": made.unreadable,
        "deleted": made.deleted,
        "unfinished": _work(made.left),
        "seconds": round(made.seconds, 3),
    }


def _counts(people: tuple[str, ...], person: NDArray[np.int32]) -> dict[str, int]:
    return dict(zip(people, np.bincount(person, minlength=len(people)).tolist(), strict=True))


def _skipped(file: FeatureFile) -> list[dict[str, str]]:
    return [{"path": one.path, "code": one.code, "message": one.message} for one in file.skipped]


def _remarks(remarks: tuple[Remark, ...]) -> list[dict[str, str]]:
    return [{"file": escaped(str(one.file)), "message": one.message} for one in remarks]


def _work(work: Unfinished) -> dict[str, int]:
    return {
        "shards": len(work.shards),
        "set_aside": len(work.set_aside),
        "half_written": len(work.half_written),
    }


def share(found: Share) -> dict[str, float | None]:
    """Describe a share with its interval."""
    return {name: finite(value) for name, value in asdict(found).items()}


def finite(value: float) -> float | None:
    """Return a number, or null for what JSON has no word for."""
    return value if math.isfinite(value) else None

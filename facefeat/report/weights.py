"""What is said of weights: which there are, what was fetched, what a file of them is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from facefeat.data.folder import escaped
from facefeat.features.official import Official
from facefeat.report.tables import facts

if TYPE_CHECKING:
    from facefeat.features.catalogue import Examined, Named

STATES = {
    "carried": "carried by the package",
    "here": "in the cache folder",
    "to fetch": "to be fetched",
    "not installed": "not installed",
    "none": "has no weights",
}


def listed(found: Sequence[Named]) -> RenderableType:
    """Lay out which weights there are."""
    return facts([(one.backbone, _lines(one)) for one in found])


def _lines(one: Named) -> str:
    if one.state == "none":
        return STATES[one.state]
    start = f"{one.name}: {STATES[one.state]}; {one.licence}"
    return f"{start}\n{_published(one.official)}" if one.official else start


def _published(official: Official) -> str:
    known = f"MD5 {official.md5}" if official.md5 else "no hash is published"
    return f"{official.bytes / 1e6:.0f} MB, {known}\n{official.url}"


def listed_document(found: Sequence[Named]) -> dict[str, Any]:
    """Describe it as JSON; schema ``facefeat/weights-list/1``."""
    return {"schema": "facefeat/weights-list/1", "weights": [_document(one) for one in found]}


def _document(one: Named) -> dict[str, Any]:
    official = one.official
    described = {"backbone": one.backbone, "name": one.name, "state": one.state, "licence": one.licence}
    if official is None:
        return described
    where = {"url": official.url, "bytes": official.bytes, "md5": official.md5 or None}
    return {**described, **where, "path": escaped(str(official.path))}


def fetched(one: Named) -> RenderableType:
    """Lay out what was fetched."""
    place = escaped(str(one.official.path)) if one.official else ""
    return facts([("weights", f"{one.name} of {one.backbone}"), ("licence", one.licence), ("file", place)])


def fetched_document(one: Named) -> dict[str, Any]:
    """Describe it as JSON; schema ``facefeat/weights-fetch/1``."""
    return {"schema": "facefeat/weights-fetch/1", **_document(one)}


def examined(found: Examined) -> RenderableType:
    """Lay out what a file of weights is."""
    rows = [
        ("file", escaped(str(found.path))),
        ("layout", found.layout),
        ("tensors", f"{found.tensors:,} of {found.backbone}, {found.numbers:,} numbers, all finite"),
        ("SHA-256", found.sha256),
    ]
    if found.published:
        rows.append(("same as", f"the published weights '{found.published}'"))
    if found.preprocess:
        rows.append(("trained on", f"other pixels; extract with --preprocess {found.preprocess}"))
    return facts(rows)


def examined_document(found: Examined) -> dict[str, Any]:
    """Describe it as JSON; schema ``facefeat/weights-check/1``."""
    return {
        "schema": "facefeat/weights-check/1",
        "path": escaped(str(found.path)),
        "backbone": found.backbone,
        "layout": found.layout,
        "tensors": found.tensors,
        "numbers": found.numbers,
        "sha256": found.sha256,
        "published": found.published,
        "preprocess": found.preprocess,
    }

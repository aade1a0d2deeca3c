"""Bundles taken apart, changed, and put together again with every hash right."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from facefeat.errors import FileFormatError
from facefeat.features.recipe import canonical_json
from facefeat.learn import bundle as bundles

INNER = ("head.skops", "unknown.skops", "gallery.npz")


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


def canary_of(folder: Path) -> Path:
    """Return what a canary that was set off leaves in a folder."""
    return folder / "canary"


@dataclass
class Whole:
    """A bundle in parts.

    Attributes
    ----------
    data : bytes
        As it was.
    manifest : parsed JSON
    members : dict of str to bytes
        Those that are no archives, and those that were exchanged as a whole.
    inner : dict of str to list of (str, bytes)
        Members of the members that are archives; a list, since names may come twice.
    method : int
        How the archives within are compressed.
    """

    data: bytes = field(repr=False)
    manifest: Any = field(repr=False)
    members: dict[str, bytes] = field(repr=False)
    inner: dict[str, list[tuple[str, bytes]]] = field(repr=False)
    method: int = zipfile.ZIP_STORED

    @classmethod
    def of(cls, data: bytes) -> Whole:
        """Take a bundle apart."""
        members = dict(unzipped(data))
        manifest = json.loads(members.pop("manifest.json"))
        return cls(data, manifest, members, {name: unzipped(members.pop(name)) for name in INNER})

    def copy(self) -> Whole:
        """Return one to be changed."""
        inner = {name: list(entries) for name, entries in self.inner.items()}
        return Whole(self.data, copy.deepcopy(self.manifest), dict(self.members), inner, self.method)

    def array(self, member: str, name: str) -> NDArray[Any]:
        """Return an array of an archive within, to be changed and set again."""
        return np.lib.format.read_array(io.BytesIO(dict(self.inner[member])[name])).copy()

    def set(self, member: str, name: str, data: NDArray[Any] | bytes) -> None:
        """Put an array, or other bytes, in the place of one."""
        content = data if isinstance(data, bytes) else npy(data)
        self.inner[member] = [(other, content if other == name else old) for other, old in self.inner[member]]

    def schema(self, member: str) -> Any:
        """Return the parsed schema.json of a head."""
        return json.loads(dict(self.inner[member])["schema.json"])

    def attribute(self, member: str, step: int, *names: str) -> dict[str, Any]:
        """Return the schema's node of an attribute of one of a pipeline's steps."""
        node = self.schema(member)["content"]["content"]["steps"]["content"][step]["content"][1]
        for name in names:
            node = node["content"]["content"][name]
        return dict(node)

    def packed(self, fix_recipe: bool = True) -> bytes:
        """Put it together; the hashes of the members are right, and so, on request, is the recipe's."""
        members = {name: zipped(entries, self.method) for name, entries in self.inner.items()} | self.members
        manifest = copy.copy(self.manifest)
        if isinstance(manifest, dict) and isinstance(manifest.get("members"), dict):
            manifest["members"] = manifest["members"] | {
                name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
            }
            if fix_recipe and "recipe" in manifest:
                record = canonical_json(manifest["recipe"]).encode(errors="replace")
                manifest["recipe_sha256"] = hashlib.sha256(record).hexdigest()
        return zipped([("manifest.json", text_of(manifest)), *members.items()], zipfile.ZIP_DEFLATED)


def unzipped(data: bytes) -> list[tuple[str, bytes]]:
    """Return the members of an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def zipped(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """Make an archive; names may be anything and come twice."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method, compresslevel=1) as archive:
        warnings.simplefilter("ignore")
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def npy(array: NDArray[Any]) -> bytes:
    """Write an array as np.save does, one of objects as a pickle."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def header(descr: Any, shape: Any, fortran: Any = False, body: bytes = b"") -> bytes:
    """Write an array's header that may lie, and a body."""
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran!r}, 'shape': {shape!r}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + body


DEEP = "@deep@"


def text_of(value: Any) -> bytes:
    """Write JSON; the text ``DEEP`` becomes lists in lists that nobody can write by recursion."""
    return json.dumps(value).replace(f'"{DEEP}"', "[" * 100_000 + "]" * 100_000).encode()


Change = Callable[[Whole], Any]


def refusal(whole: Whole, folder: Path, *changes: Change, data: bytes | None = None) -> str:
    """Change a model, and return the sentence that refuses it, with the file's name for the place."""
    changed = whole.copy()
    for change in changes:
        change(changed)
    path = folder / "m.facefeat"
    path.write_bytes(changed.packed() if data is None else data)
    with pytest.raises(FileFormatError) as caught:
        bundles.read(path)
    assert caught.value.exit_code == 4 and not os.path.lexists(canary_of(folder))
    return str(caught.value).replace(str(path), "M")


def node(whole: Whole, member: str, *names: str, step: int = 2) -> tuple[Any, dict[str, Any]]:
    """Return a schema, and in it the node of an attribute, to be changed."""
    schema = whole.schema(member)
    found = schema["content"]["content"]["steps"]["content"][step]["content"][1]
    for name in names:
        found = found["content"]["content"][name]
    return schema, found


def value(content: Any) -> Callable[[dict[str, Any]], Any]:
    """Return what sets a plain value, for ``with_node``."""
    return lambda found: found.update(content=json.dumps(content), __id__=0)


def with_array(member: str, *names: str, to: Callable[[Any], Any], step: int = 2) -> Change:
    """Return a change of one fitted array."""

    def change(whole: Whole) -> None:
        name = node(whole, member, *names, step=step)[1]["file"]
        found = to(whole.array(member, name))
        whole.set(member, name, found if isinstance(found, bytes) else np.asarray(found))

    return change


def with_node(member: str, *names: str, to: Callable[[dict[str, Any]], Any], step: int = 2) -> Change:
    """Return a change of one node of a schema."""

    def change(whole: Whole) -> None:
        schema, found = node(whole, member, *names, step=step)
        to(found)
        whole.set(member, "schema.json", text_of(schema))

    return change

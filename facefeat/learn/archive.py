"""The bytes of a bundle, from anybody: archives, arrays and schemas are checked before anything is made of them.

What is too large, lies about its size, names a place, a type or a loader that a fitted head does not need is refused
here, by one sentence. No array is allocated and no object is constructed in this module: an array is a view of the bytes.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facefeat.data import regular
from facefeat.errors import DamagedFile, ForeignFile, InputError, StorageError
from facefeat.learn.pieces import Held

MAX_BYTES = 8 * 1024**3
MAX_RATIO = 200  # of a member's size to its size in the archive
MAX_TEXT = 16 * 1024**2  # bytes of JSON or Markdown
MAX_MEMBERS = 10_000
MAX_SIDE = 2**25  # of an array without numbers; any other side is bounded by the bytes there are

_LARGE = 16 * 1024**2  # bytes of a member that is not copied out of its archive
_BLOCK = 2**22  # numbers that are looked at together
_SCHEMA = "schema.json"
_MAX_DEPTH = 40  # of objects in objects
_NPY = re.compile(
    rb"\{'descr': '([<>|](?:f[248]|[iu][1248]|b1|S\d{1,6}))', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,19}(?:, \d{1,19})*,?)?)\), \} *\n"
)
_NUMBERS = frozenset(f"numpy.{np.dtype(kind).type.__name__}" for kind in "?bBhHiIlLqQefd")


def contents(path: Path) -> bytes:
    """Read a file once; what it becomes later does not matter.

    Raises
    ------
    InputError
        If there is no file, or something that is none, such as a folder or a pipe.
    DamagedFile
        If it is larger than any bundle.
    StorageError
    """
    wanted = "a model made by facefeat fit is expected"
    try:
        handle = regular.opened(path)
    except regular.NotRegular as error:
        raise InputError(f"{path} is {error.strerror}; {wanted}.") from error
    except OSError as error:
        if path.is_symlink() and isinstance(error, FileNotFoundError):
            raise InputError(f"{path} is a link to nothing; {wanted}.") from error
        if isinstance(error, FileNotFoundError):
            raise InputError(f"There is no model {path}; make one with: facefeat fit -o {path}") from None
        raise StorageError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"There is no model {str(path)!r}: a name cannot hold a null byte.") from error
    with open(handle, "rb") as file:
        size = os.fstat(handle).st_size
        if size > MAX_BYTES:
            raise DamagedFile(f"{path} is refused: it has more than {MAX_BYTES // 1024**3} GB.")
        try:
            return file.read(size)
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {error.strerror}.") from error


def opened(data: bytes | memoryview, whose: str) -> zipfile.ZipFile:
    """Read the directory of an archive, and refuse what no part of a bundle has.

    Parameters
    ----------
    data : bytes or memoryview
    whose : str
        The subject of the sentence.

    Returns
    -------
    ZipFile
        Its members are read by ``member``.

    Raises
    ------
    ForeignFile
        If it is no ZIP archive at all.
    DamagedFile
    """
    try:
        if _entries(data) > MAX_MEMBERS:
            raise DamagedFile(f"{whose} is refused: it has more than {MAX_MEMBERS:,} members.")
        archive = zipfile.ZipFile(Held(data))
        infos = archive.infolist()
    except DamagedFile:
        raise
    except Exception as error:  # zipfile raises many kinds on a malformed directory
        if data[:2] == b"PK":
            raise DamagedFile(f"{whose} is damaged: it is cut off or overwritten.") from error
        raise ForeignFile(f"{whose} is not a facefeat model; facefeat fit makes one.") from error
    if min((info.header_offset for info in infos), default=0):
        first = infos[0].filename.encode("utf-8", "replace")
        if data[:4] == b"PK\3\4" and data[30 : 30 + len(first)] != first:  # its end is that of an archive within it
            raise DamagedFile(f"{whose} is damaged: it is cut off or overwritten.")
        raise DamagedFile(f"{whose} is damaged: something stands before its first member.")
    for info in infos:
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DamagedFile(f"{whose} is refused: {shown(info.filename)} is a link.")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DamagedFile(f"{whose} is refused: {shown(info.filename)} is compressed in a way that is not read.")
        if info.file_size > MAX_RATIO * max(info.compress_size, 1) + 4096:
            raise DamagedFile(
                f"{whose} is refused: {shown(info.filename)} unpacks to {MAX_RATIO} times its size or more."
            )
        if info.file_size > MAX_TEXT and info.filename.endswith((".json", ".md")):
            raise DamagedFile(
                f"{whose} is refused: {shown(info.filename)} has more than {MAX_TEXT // 1024**2} MB of text."
            )
    if sum(info.file_size for info in infos) > MAX_BYTES:
        raise DamagedFile(f"{whose} is refused: it unpacks to more than {MAX_BYTES // 1024**3} GB.")
    return archive


def _entries(data: bytes | memoryview) -> int:
    """Count what may be entries of an archive's directory."""
    mark = b"PK\1\2"
    return data.count(mark) if isinstance(data, bytes) else sum(1 for _ in re.finditer(re.escape(mark), data))


def member(archive: zipfile.ZipFile, name: str, whose: str) -> bytes | memoryview:
    """Unpack one member, and no byte more than the directory says it has; a large one is looked at where it lies.

    Raises
    ------
    DamagedFile
    """
    info = archive.getinfo(name)
    try:
        with archive.open(info) as file:
            if info.compress_type == zipfile.ZIP_STORED and info.file_size > _LARGE:
                return _in_place(archive, info)
            # Not file.read(): it unpacks whatever the member holds, and compares sizes afterwards.
            data = file.read(info.file_size + 1)
    except Exception as error:  # zipfile and zlib raise many kinds on malformed data
        raise DamagedFile(f"{whose} is damaged: {shown(name)} cannot be unpacked.") from error
    if len(data) != info.file_size:
        raise DamagedFile(f"{whose} is damaged: {shown(name)} is cut off.")
    return data


def _in_place(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> memoryview:
    """Return a stored member without copying it, after its checksum was compared."""
    held: memoryview = archive.fp.held  # type: ignore[union-attr]
    at = info.header_offset
    start = at + 30 + sum(struct.unpack("<HH", held[at + 26 : at + 30]))
    found = held[start : start + info.file_size]
    if not len(found) == info.file_size == info.compress_size or zlib.crc32(found) != info.CRC:
        raise ValueError("a member is cut off, or is not what its checksum says")
    return found


def parsed(text: bytes | memoryview, whose: str) -> Any:
    """Read JSON of finite numbers and whole characters, in which no key comes twice.

    Raises
    ------
    DamagedFile
    """
    try:
        value = json.loads(
            bytes(text).decode(),
            object_pairs_hook=_unique,
            parse_float=_finite,
            parse_constant=_finite,
            parse_int=_whole,
        )
        json.dumps(value, ensure_ascii=False).encode()  # half a character cannot be written or shown
    except (ValueError, RecursionError) as error:
        raise DamagedFile(f"{whose} is damaged: its JSON cannot be read ({one_line(error)}).") from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key comes twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


def _whole(text: str) -> int:
    number = int(text) if len(text) < 20 else 2**63
    if abs(number) >= 2**63:
        raise ValueError("a number is too large")
    return number


def arrays(data: bytes | memoryview, names: Collection[str], whose: str) -> dict[str, NDArray[Any]]:
    """Read an .npz of exactly these arrays, without copying their numbers.

    Parameters
    ----------
    data : bytes or memoryview
    names : collection of str
        Without ``.npy``.
    whose : str

    Returns
    -------
    dict of str to ndarray
        Read-only.

    Raises
    ------
    DamagedFile
    """
    members = _stored(data, whose)
    if sorted(members) != sorted(f"{name}.npy" for name in names):
        raise DamagedFile(f"{whose} is damaged: it does not hold the arrays {', '.join(names)}.")
    return {name: array(members[f"{name}.npy"], f"{name}.npy in {whose}") for name in names}


def array(data: bytes | memoryview, whose: str) -> NDArray[Any]:
    """Read an array whose header says neither more nor less than there is.

    Parameters
    ----------
    data : bytes or memoryview
        In the format .npy.
    whose : str

    Returns
    -------
    ndarray
        Read-only numbers or bytes of this machine's byte order; floats are finite.

    Raises
    ------
    DamagedFile
    """
    long = 2 if data[6:8] == b"\x02\x00" else 0  # the second version has four bytes for the header's length
    start = 10 + long + int.from_bytes(data[8 : 10 + long], "little")
    found = (
        _NPY.fullmatch(data[10 + long : start]) if data[:8] in (b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00") else None
    )
    if not found:
        raise DamagedFile(f"{whose} is refused: it is no plain array.")
    dtype = np.dtype(found[1].decode())
    shape = tuple(int(side) for side in found[3].decode().split(",") if side)
    if (
        math.prod(shape) * dtype.itemsize != len(data) - start
        or not dtype.itemsize
        or max(shape, default=0) > MAX_SIDE + len(data)
    ):
        raise DamagedFile(f"{whose} is refused: its header claims other sizes than it has.")
    if not dtype.isnative or len(shape) > 4:
        raise DamagedFile(f"{whose} is refused: its numbers are stored in a way that is not read.")
    numbers = np.frombuffer(data, dtype, offset=start)
    blocks = (numbers[at : at + _BLOCK] for at in range(0, len(numbers), _BLOCK))
    if dtype.kind == "f" and not all(np.isfinite(block).all() for block in blocks):
        raise DamagedFile(f"{whose} is damaged: it holds numbers that are not finite.")
    return numbers.reshape(shape, order="F" if found[2] == b"True" else "C")


def checked_skops(data: bytes | memoryview, types: Collection[str], whose: str) -> tuple[Any, dict[str, NDArray[Any]]]:
    """Read what a file of skops would construct: plain values, arrays, and objects of the types given.

    Parameters
    ----------
    data : bytes or memoryview
    types : collection of str
        Full names.
    whose : str

    Returns
    -------
    schema : parsed JSON
        The node of the outermost object; no node is of another kind than ``facefeat.learn.construct`` knows.
    arrays : dict of str to ndarray
        Those that it names, by name; see ``array``.

    Raises
    ------
    DamagedFile
    """
    members = _stored(data, whose)
    if _SCHEMA not in members or len(members[_SCHEMA]) > MAX_TEXT:
        raise DamagedFile(f"{whose} is damaged: it has no {_SCHEMA}.")
    schema, arrays = parsed(members[_SCHEMA], f"{_SCHEMA} in {whose}"), {}
    used = _check_nodes(schema, types, whose)
    if used.keys() != members.keys() - {_SCHEMA}:
        raise DamagedFile(f"{whose} is refused: its arrays are not those of its {_SCHEMA}.")
    for name, is_scalar in used.items():
        arrays[name] = found = array(members[name], f"{name} in {whose}")
        if found.dtype.kind == "S" or (is_scalar and found.shape):
            raise DamagedFile(f"{whose} is refused: {name} is no array of numbers.")
    return schema, arrays


def _stored(data: bytes | memoryview, whose: str) -> dict[str, bytes | memoryview]:
    """Read an archive within the bundle; facefeat compresses none, so none can grow."""
    try:
        archive = opened(data, whose)
    except ForeignFile as error:
        raise DamagedFile(f"{whose} is damaged: it is no archive.") from error
    infos = archive.infolist()
    names = {info.filename for info in infos}
    if len(names) != len(infos) or not all(re.fullmatch(r"[\w-]+\.(npy|json)", name, re.ASCII) for name in names):
        raise DamagedFile(f"{whose} is refused: it has a member of a name that does not belong there, or twice.")
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos) or sum(i.file_size for i in infos) > len(data):
        raise DamagedFile(f"{whose} is refused: it unpacks to more than it has.")
    return {name: member(archive, name, whose) for name in names}


def _check_nodes(schema: Any, types: Collection[str], whose: str) -> dict[str, bool]:
    """Walk a schema; return the arrays that it names, and whether each is to be a single number."""
    used: dict[str, bool] = {}
    seen: dict[int, Any] = {}
    waiting: list[tuple[Any, int]] = [(schema, 0)]
    while waiting:
        node, depth = waiting.pop()
        try:
            kind, key = f"{node['__module__']}.{node['__class__']}", node.get("__id__", 0)
            below = _below(node, kind, types)
            # skops takes nodes of one number for one object. If they could differ, an object could hold itself.
            is_tree = type(key) is int and depth <= _MAX_DEPTH and not (key and seen.setdefault(key, node) != node)
            if node["__loader__"] == "NdArrayNode":
                used[node["file"]] = kind != "numpy.ndarray"
                is_tree = is_tree and node["file"] == f"{key}.npy"
        except (TypeError, KeyError, AttributeError, ValueError, RecursionError) as error:
            raise DamagedFile(f"{whose} is damaged: its {_SCHEMA} is malformed.") from error
        if below is None:
            raise DamagedFile(f"{whose} is refused: it holds {shown(kind)}, which its head does not have.")
        if not is_tree:
            raise DamagedFile(f"{whose} is refused: its {_SCHEMA} is no tree.")
        waiting += [(one, depth + 1) for one in below]
    return used


def _below(node: dict[str, Any], kind: str, types: Collection[str]) -> list[Any] | None:
    """Return the nodes within a node; None where a head has no such node."""
    loader = node["__loader__"]
    if loader == "ObjectNode":
        return [node["content"]] if kind in types else None
    if (loader, kind) in (("ListNode", "builtins.list"), ("TupleNode", "builtins.tuple")):
        return list(node["content"])
    if (loader, kind) == ("DictNode", "builtins.dict"):
        keys, values = node["key_types"], node["content"].values()
        plain = keys["__loader__"] == "ListNode" and {one["__loader__"] for one in keys["content"]} <= {"TypeNode"}
        return [keys, *values] if plain and len(keys["content"]) == len(values) else None
    if (loader, kind) == ("TypeNode", "builtins.str"):
        return []
    if (loader, kind) == ("JsonNode", "builtins.str"):
        return [] if _is_plain(node["content"]) else None
    if loader == "NdArrayNode" and node["type"] == "numpy":
        return [] if kind == "numpy.ndarray" or kind in _NUMBERS else None
    return None


def _is_plain(text: str) -> bool:
    """Tell whether JSON text is one value that may stand in an estimator."""
    value = json.loads(text, parse_float=_finite, parse_constant=_finite, parse_int=_whole)
    return not isinstance(value, (list, dict)) and (not isinstance(value, str) or value.isprintable())


def is_printable(value: Any) -> bool:
    """Tell whether all text in parsed JSON can be printed."""
    if isinstance(value, (list, dict)):
        return all(is_printable(one) for one in (*value, *(value.values() if isinstance(value, dict) else ())))
    return not isinstance(value, str) or value.isprintable()


def shown(name: str) -> str:
    """Write a name from a file into a sentence: quoted, printable, and not too long."""
    return repr(name if len(name) <= 80 else name[:77] + "...")


def one_line(error: Exception) -> str:
    """Write another library's error into a sentence."""
    text = "".join(char if char.isprintable() else " " for char in str(error))
    return " ".join(text.split())[:200].rstrip(".") or type(error).__name__

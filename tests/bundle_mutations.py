"""Mutations of bundles, blind ones and ones that know the format; ``tests.fuzz_bundles`` reads them."""

from __future__ import annotations

import copy
import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.crafted import DEEP, INNER, Canary, Whole, canary_of, header, npy, text_of, zipped

Random = np.random.Generator


def mutation(number: int, seed: int, models: list[Whole], folder: Path) -> tuple[str, int, bytes]:
    """Make one mutation; return its kind, the number of the model it was made from, and the file's bytes."""
    rng = np.random.default_rng([seed, number])
    which = int(rng.integers(len(models)))
    if number % 2:
        change = BLIND[rng.integers(len(BLIND))]
        data = models[which].data
        for _ in range(int(rng.integers(1, 4))):
            data = change(data, rng, models[rng.integers(len(models))].data)
        return f"blind {change.__name__}", which, data
    whole, kinds = models[which].copy(), []
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        knowing = KNOWING[rng.integers(len(KNOWING))]
        kinds.append(knowing.__name__)
        knowing(whole, rng, models[rng.integers(len(models))], folder)
    return " ".join(kinds), which, whole.packed(rng.random() < 0.8)


def flip(data: bytes, rng: Random, other: bytes) -> bytes:
    changed = bytearray(data)
    for at in rng.integers(0, len(data), rng.integers(1, 4)) if data else ():
        changed[at] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut(data: bytes, rng: Random, other: bytes) -> bytes:
    return data[: rng.integers(len(data) + 1)]


def blank(data: bytes, rng: Random, other: bytes) -> bytes:
    start, length = int(rng.integers(len(data) + 1)), int(rng.integers(1, 200))
    return data[:start] + bytes(min(length, len(data) - start)) + data[start + length :]


def insert(data: bytes, rng: Random, other: bytes) -> bytes:
    start = int(rng.integers(len(data) + 1))
    return data[:start] + rng.bytes(int(rng.integers(1, 40))) + data[start:]


def splice(data: bytes, rng: Random, other: bytes) -> bytes:
    return data[: rng.integers(len(data) + 1)] + other[rng.integers(len(other)) :]


def duplicate(data: bytes, rng: Random, other: bytes) -> bytes:
    start, length = int(rng.integers(len(data) + 1)), int(rng.integers(1, 300))
    return data[:start] + data[start : start + length] * 2 + data[start + length :]


BLIND: tuple[Callable[[bytes, Random, bytes], bytes], ...] = (flip, flip, cut, blank, insert, splice, duplicate)

NUMBERS: list[Any] = [0, 1, -1, 2, 7, 127, 2**31 - 1, -(2**31), 2**31, 2**62, 1e-300, 1e300, np.nan, np.inf, -np.inf]
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 3, 2**31, 2**63, -(2**63), 10**4000, 0.5, 1e308, 1e-308, float("nan"), float("inf"),
    "", "x" * 5000, "ada", "../../x", "/etc/passwd", "\ud800", "\x1b[2J", "numpy", "auto", "rbf", "null", "[1]", "NaN",
    "1e999", DEEP, [], {}, [[]], [1, 2], ["ada", "bob"], {"a": 1}, "cosine", "precomputed", "linear", "kd_tree",
]  # fmt: skip
TYPES = [
    ("os", "mkdir"), ("builtins", "eval"), ("builtins", "map"), ("builtins", "int"), ("builtins", "set"),
    ("numpy", "ndarray"), ("numpy", "float64"), ("numpy", "int64"), ("numpy", "str_"), ("numpy", "add"),
    ("numpy.random.mtrand", "RandomState"), ("sklearn.pipeline", "Pipeline"), ("sklearn.svm._classes", "SVC"),
    ("sklearn.preprocessing._data", "StandardScaler"), ("sklearn.preprocessing._data", "MinMaxScaler"),
    ("sklearn.preprocessing._function_transformer", "FunctionTransformer"),
    ("sklearn.ensemble._forest", "RandomForestClassifier"), ("sklearn.neighbors._kd_tree", "KDTree"),
    ("sklearn.neighbors._classification", "KNeighborsClassifier"), ("facefeat.heads._scaling", "SignedRoot"),
    ("sklearn.linear_model._logistic", "LogisticRegression"), ("facefeat.heads.lda", "ShrunkLDA"),
    ("facefeat.heads._covariance", "WithinWhitening"), ("facefeat.heads.prototype", "PrototypeClassifier"),
]  # fmt: skip
LOADERS = [
    "DictNode", "ListNode", "TupleNode", "SetNode", "JsonNode", "ObjectNode", "NdArrayNode", "TypeNode", "CachedNode",
    "FunctionNode", "MethodNode", "PartialNode", "ConstructorFromReduceNode", "OperatorFuncNode", "BytesNode",
    "RandomStateNode", "RandomGeneratorNode", "DTypeNode", "MaskedArrayNode", "SparseMatrixNode", "SliceNode", "TreeNode",
]  # fmt: skip
DTYPES = ["<f2", "<f4", "<f8", "<i4", "<i8", "|u1", "|b1", "<c16", ">f8", "|S3", "<U2", "|V8"]


def one_of(rng: Random, options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def spots(tree: Any) -> list[tuple[Any, Any]]:
    """List every place in parsed JSON, as a container and its key."""
    found, waiting = [], [tree]
    while waiting:
        here = waiting.pop()
        keys = list(here) if isinstance(here, dict) else range(len(here)) if isinstance(here, list) else ()
        found += [(here, key) for key in keys]
        waiting += [here[key] for key in keys]
    return found


def shaken(tree: Any, rng: Random) -> None:
    """Change parsed JSON in one place."""
    places = spots(tree)
    if not places:
        return
    here, key = one_of(rng, places)
    there, other = one_of(rng, places)
    action = int(rng.integers(6))
    if action == 0:
        del here[key]
    elif action == 1:
        here[key], there[other] = copy.deepcopy(there[other]), copy.deepcopy(here[key])
    elif action == 2:
        here[key] = copy.deepcopy(there[other])
    elif action == 3 and isinstance(here, dict):
        here[str(one_of(rng, VALUES))[:50]] = copy.deepcopy(there[other])
    else:
        here[key] = one_of(rng, VALUES)


def change_manifest(whole: Whole, rng: Random, other: Whole, folder: Path) -> None:
    """Change the manifest in one place, more often in its upper parts."""
    part = whole.manifest
    if isinstance(part, dict) and rng.random() < 0.6:
        part = part.get(one_of(rng, ["recipe", "people", "threshold", "params", "scores", "versions"]), part)
    if rng.random() < 0.2 and isinstance(part, dict):
        part[one_of(rng, ["head", "layer", "params", "note", "C", "kernel", "whiten"])] = one_of(
            rng, [*VALUES, "knn", "svm", "lda", "dense", "prototype", "logreg", {"C": 2}, {"kernel": "rbf"}]
        )
    else:
        shaken(part, rng)


def change_schema(whole: Whole, rng: Random, other: Whole, folder: Path) -> None:
    """Change a head's schema: a value, a type, a loader, a number in its text, or the text itself."""
    member = one_of(rng, INNER[:2])
    text = dict(whole.inner[member]).get("schema.json", b"{}")
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError):
        return
    nodes = [here[key] for here, key in spots(schema) if isinstance(here[key], dict) and "__loader__" in here[key]]
    action = int(rng.integers(5))
    if action == 0 or not nodes:
        shaken(schema, rng)
    elif action == 1:
        one_of(rng, nodes).update(zip(("__module__", "__class__"), one_of(rng, TYPES), strict=True))
    elif action == 2:
        node, (module, name) = one_of(rng, nodes), one_of(rng, TYPES)
        call = {"__module__": "builtins", "__class__": "str", "__loader__": "JsonNode", "is_json": True}
        path = call | {"content": json.dumps(str(canary_of(folder)))}
        args = {"__module__": "builtins", "__class__": "tuple", "__loader__": "TupleNode", "content": [path]}
        node.update(__module__=module, __class__=name, __loader__=one_of(rng, LOADERS), content=args, args=args)
    elif action == 3:
        scalars = [node for node in nodes if node["__loader__"] == "JsonNode"]
        if scalars:
            one_of(rng, scalars)["content"] = text_of(one_of(rng, [*VALUES, *NUMBERS])).decode()
    else:
        whole.set(member, "schema.json", one_of(rng, BLIND)(text, rng, text))
        return
    whole.set(member, "schema.json", text_of(schema))


def _array(whole: Whole, rng: Random) -> tuple[str, str, bytes]:
    member = one_of(rng, [*INNER[:1] * 4, *INNER[1:]])
    arrays = [(name, data) for name, data in whole.inner[member] if name.endswith(".npy")] or [
        ("x.npy", npy(np.zeros(1)))
    ]
    return member, *one_of(rng, arrays)


def change_array(whole: Whole, rng: Random, other: Whole, folder: Path) -> None:
    """Change numbers of an array, its shape, its type or its order, with a header that fits."""
    member, name, data = _array(whole, rng)
    try:
        array = np.lib.format.read_array(io.BytesIO(data)).copy()
    except Exception:  # changed before
        return
    action = int(rng.integers(7))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if action <= 1 and array.size and array.dtype.kind in "fiu":
            value = np.array(one_of(rng, NUMBERS)).astype(array.dtype)
            array.reshape(-1)[rng.integers(array.size)] = value
        elif action == 2 and array.ndim and array.dtype.kind in "fiu":
            array = rng.permutation(array, axis=int(rng.integers(array.ndim)))
        elif action == 3:
            shape = [int(side) + int(rng.integers(-2, 3)) for side in array.shape]
            array = np.resize(array, [max(side, 0) for side in shape])
        elif action == 4:
            array = np.asfortranarray(array.T if rng.random() < 0.5 else array)
        elif action == 5:
            array = array.reshape(-1) if array.ndim > 1 else array[..., None]
        elif array.dtype.kind in "fiu":
            array = array.astype(one_of(rng, DTYPES[:9]))
    whole.set(member, name, array)


def change_npy(whole: Whole, rng: Random, other: Whole, folder: Path) -> None:
    """Change an array's bytes or header, or put something else in its place."""
    member, name, data = _array(whole, rng)
    action = int(rng.integers(6))
    body = data[128:]
    if action == 0:
        data = one_of(rng, BLIND)(data, rng, data)
    elif action == 1:
        data = one_of(rng, BLIND)(data[:128], rng, data) + body
    elif action == 2:
        shape = tuple(int(one_of(rng, [0, 1, 2, 16, 10**5, 10**15, 2**62, -1])) for _ in range(rng.integers(4)))
        data = header(one_of(rng, DTYPES), shape, one_of(rng, [True, False, 2]), body)
    elif action == 3:
        data = header(
            one_of(rng, ["|O", [("a", "<f8")], ("<f8", (10**6,)), f"|S{10**9}", "<f16", 8]), (1,), False, body
        )
    elif action == 4:
        canary = np.empty(3, object)
        canary[:] = [Canary(canary_of(folder))] * 3
        data = npy(canary)
    else:
        data = one_of(rng, [b"", pickle.dumps(Canary(canary_of(folder))), bytes(1000), data + data])
    whole.set(member, name, data)


def change_archive(whole: Whole, rng: Random, other: Whole, folder: Path) -> None:
    """Change which members there are, or exchange some for another bundle's."""
    member, action = one_of(rng, INNER), int(rng.integers(8))
    entries = whole.inner[member]
    if action == 0 and entries:
        entries.pop(int(rng.integers(len(entries))))
    elif action == 1:
        entries.append((one_of(rng, ["../x", "/etc/x", "x.npy", "a/b.npy", "schema.json"]), one_of(rng, entries)[1]))
    elif action == 2 and entries:
        at = int(rng.integers(len(entries)))
        entries[at] = (one_of(rng, ["../x.npy", "/x", "x.npy", ""]), entries[at][1])
    elif action == 3:
        whole.method = one_of(rng, [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
        entries.append(("bomb.npy", bytes(10_000_000)))
    elif action == 4:
        whole.members[member] = one_of(rng, [pickle.dumps(Canary(canary_of(folder))), b"", b"PK", bytes(100)])
    elif action == 5:
        whole.inner[member] = list(other.inner[member])
    elif action == 6:
        data = zipped(entries)
        whole.members[member] = one_of(rng, BLIND)(data, rng, data)
    else:
        whole.members["MODEL_CARD.md"] = one_of(rng, [b"", bytes(10**6), b"\xff\xfe", rng.bytes(100)])


KNOWING: tuple[Callable[[Whole, Random, Whole, Path], None], ...] = (
    change_manifest, change_manifest, change_schema, change_schema, change_array, change_array, change_npy, change_archive,
)  # fmt: skip

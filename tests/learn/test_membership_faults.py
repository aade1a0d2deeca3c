"""A fault at any call that writes leaves the old model or the new one, and the same command goes on from there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.learn.fit import fit
from tests.learn.membership import state
from tests.making import write_people

ROOT = Path(__file__).resolve().parents[2]

# Forks for each change, so that what takes long is imported once.
PROGRAM = """
import json, os, shutil, sys
from pathlib import Path
from facefeat.data import isolated, picture, pixels
from facefeat.learn import membership
from tests.faulty import Disk
from tests.learn.membership import pictures, ready, state
source, folder = map(Path, sys.argv[1:])
picture.decode_for, isolated.begin = pixels.decode, lambda: None  # in this process: a fork must have no threads
recogniser, eva = ready(source), pictures("eva", range(1, 4))
changes = {
    "add": lambda model: membership.add(model, "eva", eva, recogniser=recogniser, workers=1),
    "forget": lambda model: membership.forget(model, "dan", workers=1),
    "rename": lambda model: membership.rename(model, "dan", "zoe"),
}
for name, change in changes.items():  # imports what they need
    change(Path(shutil.copy(source, folder / f"{name}.facefeat")))
def disturbed(name, kind, n):
    model = folder / f"{name}-{kind}-{n}" / "m.facefeat"
    model.parent.mkdir()
    shutil.copy(source, model)
    come, to = os.pipe()
    child = os.fork()
    if not child:
        disk, how = Disk(str(model.parent), kind, n), "done"
        disk.replace_functions()
        try:
            changes[name](model)
        except BaseException as error:
            how = f"{type(error).__name__}: {error}"
        os.write(to, json.dumps([how, len(disk.calls), disk.unseen]).encode())
        os._exit(0)
    os.close(to)
    with open(come) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return model, json.loads(said or '["killed", 0, []]')
for name, kinds in json.loads(sys.stdin.read()).items():
    _, (how, n_calls, unseen) = disturbed(name, "", 0)
    print(json.dumps([name, "", 0, how, n_calls, unseen]))
    for kind in kinds:
        for n in range(1, n_calls + 1):
            model, (how, *_) = disturbed(name, kind, n)
            print(json.dumps([name, kind, n, how, str(model), sorted(path.name for path in model.parent.iterdir())]))
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a model of four people. Not to be changed."""
    folder = tmp_path_factory.mktemp("faults")
    data = write_people(folder / "people", {"ada": 3, "bob": 3, "cleo": 3, "dan": 3}, size=32)
    file = extract(data, folder / "f.h5", plan("thumb", layers=["grey4"], faces_mode="none")).file
    return fit(file, folder / "m.facefeat", head="prototype").output


def test_old_or_new_whatever_happens(model: Path, tmp_path: Path) -> None:
    kinds = {
        "rename": ["kill", "power, late", "ENOSPC"],
        "add": ["kill"],
        "forget": ["kill"],
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, model, tmp_path], input=json.dumps(kinds), capture_output=True, text=True,
        cwd=ROOT, env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    old, wanted = state(model)[0], {"rename": "zoe", "add": "eva", "forget": "cleo"}
    seen: dict[str, set[bool]] = {}
    for name, kind, n, how, *rest in map(json.loads, done.stdout.splitlines()):
        if not kind:
            assert how == "done" and rest[0] >= 10 and rest[1] == [], (name, how, rest)
            continue
        place, files = Path(rest[0]), rest[1]
        people = state(place)[0]
        changed = people != old
        assert not changed or (wanted[name] in people and (name != "forget" or "dan" not in people)), (name, kind, n)
        if kind == "ENOSPC" and how != "done" and not changed:
            assert how.startswith("StorageError: There is no space left to write "), how
            assert not [file for file in files if file.endswith(".tmp")]
        seen.setdefault(f"{name} {kind}", set()).add(changed)
    assert seen.pop("rename ENOSPC") and all(both == {False, True} for both in seen.values()), seen

"""Whatever happens to a data set between runs, and to runs themselves: the last run ends as if it were the first."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facefeat.errors import FacefeatError
from facefeat.features.store.file import read
from tests.faulty import Machine
from tests.making import encoded, random_pixels
from tests.trials import OUTPUT

Action = tuple[str, int, int]  # what, and two numbers that choose of what there is

PEOPLE = ("ada", "bob", "cleo")
NAMES = ("1.ppm", "2.ppm", "3.ppm")
CONTENTS = tuple(encoded(random_pixels(16, 16, seed), "PPM") for seed in range(6))  # all of one length
LENGTH = len(CONTENTS[0])

# Files that were changed less than so many seconds before they are hashed are read again by the next run. A run
# takes longer than this, so that notes are made and used here as they are by people who wait longer.
SOON = "from facefeat.features import hashes\nhashes.SETTLED = 0.05"

CALLS = 90  # that a run makes, at most; a fault behind its last call does not happen

_CHANGES = ("add", "add", "add", "rename", "rename person", "change", "remove", "remove person", "duplicate", "spoil")
_RUNS = ("run", "kill", "kill", "ENOSPC")

HISTORIES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(_CHANGES), st.integers(0, 8), st.integers(0, 8)),
        st.tuples(st.sampled_from(_RUNS), st.integers(1, CALLS), st.just(0)),
    ),
    min_size=5,
    max_size=25,
)


class World:
    """A data set and the feature file beside it.

    Parameters
    ----------
    root : Path
        An empty folder.
    machine : Machine
    code : str
        Run before every extraction.
    """

    def __init__(self, root: Path, machine: Machine, code: str = SOON) -> None:
        self.data, self.output, self.machine, self.code = root / "people", root / "out" / OUTPUT, machine, code
        self.output.parent.mkdir()
        for number in (0, 1, 4):
            self._put(self._free(number), CONTENTS[number])
        self.ends: list[str] = []  # how the runs ended

    def pictures(self) -> list[Path]:
        """List the files there are."""
        return sorted(path for path in self.data.rglob("*") if path.is_file())

    def act(self, what: str, one: int, other: int) -> Iterator[str]:
        """Change something, or run; yield what is wrong afterwards."""
        if what in _RUNS:
            yield from self._run("" if what == "run" else what, one)
        elif what == "add":
            self._put(self._free(one), CONTENTS[other % len(CONTENTS)])
        elif files := self.pictures():
            getattr(self, f"_{what.replace(' ', '_')}")(files[one % len(files)], other)
            for folder in self.data.iterdir():
                if not any(folder.iterdir()):
                    folder.rmdir()

    def _free(self, number: int) -> Path:
        return self.data / PEOPLE[number % 3] / NAMES[number // 3 % 3]

    def _put(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _rename(self, path: Path, other: int) -> None:
        self._free(other).parent.mkdir(exist_ok=True)
        path.rename(self._free(other))

    def _rename_person(self, path: Path, other: int) -> None:
        if not (target := self.data / PEOPLE[other % 3]).exists():
            path.parent.rename(target)

    def _change(self, path: Path, other: int) -> None:
        self._put(path, CONTENTS[other % len(CONTENTS)])

    def _remove(self, path: Path, other: int) -> None:
        path.unlink()

    def _remove_person(self, path: Path, other: int) -> None:
        shutil.rmtree(path.parent)

    def _duplicate(self, path: Path, other: int) -> None:
        self._put(self._free(other), path.read_bytes())

    def _spoil(self, path: Path, other: int) -> None:
        self._put(path, (b"no picture %d" % (other % 2)).ljust(LENGTH if other < 6 else 20))

    def _run(self, kind: str, n: int) -> Iterator[str]:
        run = self.machine.run(self.data, self.output, kind, n, code=self.code)
        self.ends.append(run.error or run.how)
        expected = {"": ("InputError",), "kill": ("InputError",), "ENOSPC": ("InputError", "StorageError")}[kind]
        if run.how == "stopped" and run.error not in expected:
            yield f"{kind or 'run'} {n}: {run.error}: {run.sentence}\n{run.trace}"
        if run.how not in ("done", "stopped", "killed") or run.unseen:
            yield f"{kind or 'run'} {n}: {run.how}, unseen {run.unseen}"
        if self.output.exists():
            try:
                read(self.output)
            except FacefeatError as error:
                yield f"{kind or 'run'} {n}: {error}"

    def end(self) -> Iterator[str]:
        """Run once more, undisturbed; yield what differs from a run into a fresh folder."""
        last = self.machine.run(self.data, self.output, code=self.code)
        fresh = self.output.parent.with_name("fresh") / OUTPUT
        clean = self.machine.run(self.data, fresh, rehash=True)
        if clean.how == "stopped":  # there is nothing usable
            if (clean.error, last.error) != ("InputError", "InputError") or last.sentence != clean.sentence:
                yield f"it ended with {last}, and should have with {clean}"
            return
        if last.how != "done":
            yield f"it ended with {last}"
        elif self.output.read_bytes() != fresh.read_bytes():
            yield "the file is not that of a clean run"
        for path in self.output.parent.rglob("*"):
            if path != self.output:
                yield f"{path.name} was left over"


def play(machine: Machine, history: list[Action], scratch: Path, code: str = SOON) -> tuple[list[str], list[str]]:
    """Live through a history; return how its runs ended, and every promise that was broken."""
    root = Path(tempfile.mkdtemp(dir=scratch))
    try:
        world = World(root, machine, code)
        broken = [one for action in history for one in world.act(*action)]
        return world.ends, [*broken, *world.end()]
    finally:
        shutil.rmtree(root)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """Give the fault machine."""
    with Machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a place for worlds."""
    return tmp_path_factory.mktemp("worlds")


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(history=HISTORIES)
def test_any_history_ends_as_if_there_had_been_none(machine: Machine, scratch: Path, history: list[Action]) -> None:
    assert play(machine, history, scratch)[1] == []


STORY: list[Action] = [
    ("duplicate", 0, 2), ("kill", 60, 0), ("spoil", 0, 1), ("run", 1, 0), ("change", 0, 3),
    ("rename person", 0, 1), ("ENOSPC", 50, 0), ("change", 1, 4), ("rename", 1, 5), ("kill", 30, 0), ("remove", 0, 0),
]  # fmt: skip


def test_a_history_disturbs_runs(machine: Machine, scratch: Path) -> None:
    assert play(machine, STORY, scratch) == (["killed", "done", "StorageError", "killed"], [])


FORGETFUL = {
    "a file is known by its length": """
from facefeat.features import hashes
look = hashes._look
hashes._look = lambda file: (found := look(file)) and [found[0], 0, 0, 0, 0]
hashes.SETTLED = -1e9
""",
    "a row is found by its name": """
from facefeat.features import extract
of_all = extract.hashes.of_all
def by_name(dataset, **options):
    import hashlib
    return [hashlib.sha256(entry.path.encode()).digest() for entry in dataset.entries]
extract.hashes.of_all = by_name
""",
    "an old file is left as it is": """
from facefeat.features import extract
extract._says_the_same = lambda before, contents: True
""",
}


@pytest.mark.parametrize("weakness", FORGETFUL)
def test_a_history_finds_a_program_that_forgets(machine: Machine, scratch: Path, weakness: str) -> None:
    story: list[Action] = [("run", 1, 0), ("change", 0, 2), ("run", 1, 0)]
    assert play(machine, story, scratch)[1] == []
    assert play(machine, story, scratch, FORGETFUL[weakness])[1] != []


def test_changed_bytes_of_the_same_length_are_other_pictures() -> None:
    assert {len(content) for content in CONTENTS} == {LENGTH}
    assert len(set(CONTENTS)) == len(CONTENTS)

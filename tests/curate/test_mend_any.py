"""Whatever the names and the lists: a data set that is mended comes back as it was, and nothing is ever lost."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from facefeat.curate.findings import Finding
from facefeat.curate.mend import MOVES, Mended, apply_list, removed_folder, restore, write_list
from facefeat.data.folder import escaped, list_people
from facefeat.errors import FacefeatError, InputError
from tests.curate.mending import Asked, Tree, apply, failing, removed, tree_of, write

NAMES = st.one_of(
    st.sampled_from(["1.jpg", "2.jpg", "1-2.jpg", "moves.csv", "=1+1", "+", "-a", "@x", "a,b", '"', "a\r\nb", "\r", "caf\udce9", "%41"]),
    st.text(st.sampled_from(',"\'\r\n\t =+-@%4;é\udcff.x'), min_size=1, max_size=4),
).filter(lambda name: not name.startswith("."))  # fmt: skip
TREES = st.dictionaries(st.tuples(NAMES, st.sampled_from(["", "deep~/"]), NAMES), st.none(), min_size=1, max_size=8)


def planted(root: Path, places: Mapping[tuple[str, str, str], None]) -> Tree:
    """Write a data set, each picture with other bytes."""
    tree = {f"{person}/{deep}{name}": b"%d" % index for index, (person, deep, name) in enumerate(places)}
    write(root, tree)
    return tree


def listed(data: Path) -> list[str]:
    try:
        return [entry.path for entry in list_people(data).entries]
    except InputError:  # everything was taken out of it, or lies deep
        return []


@st.composite
def asking(draw: st.DrawFn, paths: Sequence[str]) -> list[Asked]:
    """Draw what to do with some of the pictures."""
    some = draw(st.lists(st.sampled_from(paths), unique=True, max_size=5)) if paths else []
    rows = []
    for path in some:
        action = draw(st.sampled_from(["", "remove", "move"]))
        to = escaped(draw(NAMES)) if action == "move" else ""
        rows.append((action if to != path.partition("/")[0] else "", path, to))
    return rows


@settings(max_examples=60, deadline=None)
@given(TREES, st.data())
def test_any_data_set_comes_back_from_any_list(places: dict[tuple[str, str, str], None], draws: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        before = planted(data, places)
        dataset = list_people(data) if listed(data) else None
        assume(dataset is not None)
        findings, wanted = [], {}
        for action, path, to in draws.draw(asking(listed(data))):
            findings.append(Finding("suspect", path, "=Why?", path, 0.5, action, to))
            wanted[path] = action
        table = data.with_name("list.csv")
        assert dataset is not None
        write_list(findings, dataset, table)
        made = apply_list(data, table)
        assert Counter(wanted.values())["remove"] == made.removed == len(removed(data))
        assert Counter(wanted.values())["move"] == made.moved
        gone = {os.fsdecode(os.fsencode(path)) for path in before} - set(tree_of(data))
        assert {escaped(path) for path in gone} <= {path for path, action in wanted.items() if action}
        if made.removed + made.moved:
            assert restore(data) == Mended(0, 0, made.removed + made.moved, removed_folder(data))
        assert tree_of(data) == before and not removed_folder(data).exists()


@given(NAMES, NAMES, NAMES)
@settings(max_examples=50, deadline=None)
def test_no_cell_is_a_formula(person: str, name: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, table = Path(folder) / "data", Path(folder) / "list.csv"
        write(data, {f"{person}/{name}": b"1", "x/1": b"2"})
        path = escaped(f"{person}/{name}")
        findings = [Finding("suspect", path, escaped(other), escaped(other), 0.1, "move", escaped(other))]
        write_list(findings, list_people(data), table)
        with table.open(newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in cells)
        assume(other != person)
        apply_list(data, table)
        assert tree_of(data)[f"{other}/{name if (other, name) != ('x', '1') else '1-2'}"] == b"1"


class Mending(RuleBasedStateMachine):
    """Whatever is moved, stopped, put back and put in between: nothing is lost, and all comes back."""

    @initialize(places=TREES)
    def start(self, places: dict[tuple[str, str, str], None]) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.data = self.folder / "data"
        self.expected = planted(self.data, places)
        self.contents = Counter(self.expected.values())
        self.in_the_way = False

    def held(self) -> Counter[bytes]:
        return Counter([*tree_of(self.data).values(), *removed(self.data).values()])

    @rule(draws=st.data())
    def mend(self, draws: st.DataObject) -> None:
        if asked := draws.draw(asking(listed(self.data))):
            apply(self.data, *asked)

    @rule(draws=st.data(), after=st.integers(0, 3))
    def mend_and_be_stopped(self, draws: st.DataObject, after: int) -> None:
        if asked := draws.draw(asking(listed(self.data))):
            self.stopped(after, lambda: apply(self.data, *asked))

    @rule(after=st.integers(0, 3))
    def undo_and_be_stopped(self, after: int) -> None:
        self.stopped(after, self.undo)

    def stopped(self, after: int, run: Callable[[], object]) -> None:
        with failing(after):
            try:
                run()
            except FacefeatError as error:
                assert error.exit_code == 6

    @rule()
    def undo(self) -> None:
        if not (removed_folder(self.data) / MOVES).exists():
            return
        made = restore(self.data)
        if not made.left and not self.in_the_way:
            assert tree_of(self.data) == self.expected and not removed_folder(self.data).exists()

    @rule(name=NAMES, person=NAMES)
    def add(self, name: str, person: str) -> None:
        path, data = f"{person}/{name}", b"added %d" % self.contents.total()
        if os.path.lexists(self.data / path):
            return
        write(self.data, {path: data})
        self.contents[data] += 1
        self.in_the_way |= path in self.expected or bool(removed_folder(self.data).exists())
        self.expected.setdefault(path, data)

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "contents"):
            assert self.held() == self.contents

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.undo()
            self.nothing_is_lost()
            shutil.rmtree(self.folder)


TestMending = Mending.TestCase
TestMending.settings = settings(max_examples=30, stateful_step_count=10, deadline=None)

"""What must hold of an extraction that was disturbed: trials on the fault machine."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from facefeat.errors import FileFormatError
from facefeat.features.store import columns, sealed
from facefeat.features.store.file import read
from tests.faulty import HALVES, KILL, POWER, Machine, Run
from tests.making import write_people

OUTPUT = "features.h5"
STAMP = "0123456789abcdef" * 2  # in place of the random part of a temporary name


@dataclass(frozen=True)
class Scenario:
    """A data set, what earlier runs left of it, and what an undisturbed run makes of it."""

    name: str
    data: Path
    place: str  # of the output, below a fresh folder
    left: Mapping[str, bytes] = field(default_factory=dict)  # files that are there before, below that folder
    options: Mapping[str, Any] = field(default_factory=dict)
    wanted: bytes = b""
    recipe: str = ""  # SHA-256, in hex
    undisturbed: Run = field(default_factory=lambda: Run("done"))

    @property
    def unique(self) -> int:
        """Pictures that become vectors, copies counted once."""
        _, computed, reused, _ = self.undisturbed.counts
        return computed + reused

    def points(self, kind: str) -> list[int]:
        """Number the calls at which a kind of fault can happen."""
        calls = enumerate(self.undisturbed.calls, 1)
        return [n for n, call in calls if kind not in HALVES or (call.name == "write" and call.size > 1)]

    def done_shards(self, kind: str, n: int) -> set[str]:
        """Name the shards that were safe before the n-th call."""
        renamed, safe = set(), set()
        for call in self.undisturbed.calls[: n - 1]:
            if call.name == "replace" and "shard-" in call.path:
                renamed.add(Path(call.path).name.split(".")[1] + ".h5")
            if call.name == "fsync" and call.path.endswith(".work"):
                safe |= renamed
        return safe if kind in POWER else renamed

    @contextmanager
    def laid_out(self, scratch: Path) -> Iterator[tuple[Path, Path]]:
        """Give a fresh folder as it is before the run, and the output's place in it."""
        folder = Path(tempfile.mkdtemp(dir=scratch))
        for name, data in self.left.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        try:
            yield folder, folder / self.place
        finally:
            shutil.rmtree(folder)

    def run(self, machine: Machine, folder: Path, kind: str = "", n: int = 0, **options: Any) -> Run:
        """Extract, into a folder that was laid out."""
        return machine.run(self.data, folder / self.place, kind, n, below=folder, **{**self.options, **options})


def scenarios(machine: Machine, folder: Path) -> list[Scenario]:
    """Make the cases.

    Nothing is there before. Or a file is there, with what a killed run left half written, and pictures were
    added since. Or a file and an unfinished run of another recipe are there, to be overwritten. The data sets
    hold a copy and a file that is no picture.
    """
    first = write_people(folder / "first", {"ada": 3}, size=16)
    shutil.copy(first / "ada" / "01.png", first / "ada" / "copy.png")
    more = shutil.copytree(first, folder / "more")
    write_people(more, {"bob": 2}, size=16)
    (more / "bob" / "bad.jpg").write_bytes(b"text")
    some, other = folder / "some" / OUTPUT, folder / "other" / OUTPUT
    machine.run(first, some)
    machine.run(first, other, layer="grey8")
    half = {f".{OUTPUT}.{STAMP}.tmp": b"half", f"{OUTPUT}.work/.recipe.json.{STAMP}.tmp": b"{"}
    calls = machine.run(more, folder / "scratch" / OUTPUT, layer="grey8").calls
    last_shard = [n for n, call in enumerate(calls, 1) if call.name == "replace" and "shard-" in call.path][-1]
    machine.run(more, other, KILL, last_shard, layer="grey8")
    unfinished = {f"{path.relative_to(other.parent)}": path.read_bytes() for path in work_of(other).iterdir()}
    made = [
        Scenario("nothing before", more, f"new/{OUTPUT}"),
        Scenario("pictures added", more, OUTPUT, {OUTPUT: some.read_bytes(), **half}),
        Scenario(
            "another recipe replaced", more, OUTPUT, {OUTPUT: other.read_bytes(), **unfinished}, {"overwrite": True}
        ),
    ]
    return [_undisturbed(one, machine, folder) for one in made]


def _undisturbed(scenario: Scenario, machine: Machine, scratch: Path) -> Scenario:
    with scenario.laid_out(scratch) as (folder, output):
        run = scenario.run(machine, folder)
        if run.how != "done" or run.unseen:
            raise AssertionError(f"the undisturbed run failed: {run}")
        return replace(scenario, wanted=output.read_bytes(), recipe=read(output).recipe.sha256, undisturbed=run)


def trial(
    machine: Machine,
    scenario: Scenario,
    kind: str,
    n: int,
    scratch: Path,
    seen: dict[Any, list[str]] | None = None,
    **options: Any,
) -> tuple[Run, list[str]]:
    """Disturb a run, resume it, and list every promise that was broken.

    Parameters
    ----------
    machine, scenario, kind, n
    scratch : Path
        Where folders are made and deleted again.
    seen : dict or None
        States of the folder from which a run was resumed, and what was broken then; such a state is not tried again.
    **options
        For both runs.
    """
    with scenario.laid_out(scratch) as (folder, output):
        run = scenario.run(machine, folder, kind, n, **options)
        broken = [*_wrong_end(run, kind, scenario, output), *_wrong_state(scenario, kind, n, output)]
        seen = {} if seen is None else seen
        state = (scenario.name, *sorted(_state_of(folder)))
        if state not in seen:
            seen[state] = list(_wrong_resumption(machine, scenario, folder, options))
        where = f"{scenario.name}, {kind} at {n}, {scenario.undisturbed.calls[n - 1]}"
        return run, [f"{where}: {one}" for one in (*broken, *seen[state])]


def _state_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """List a folder's files, but for what is random and what is nobody's business."""
    for path in folder.rglob("*"):
        name = re.sub("[0-9a-f]{32}", STAMP, str(path.relative_to(folder)))
        yield name, b"" if path.is_dir() or path.name == "lock" else path.read_bytes()


def _wrong_end(run: Run, kind: str, scenario: Scenario, output: Path) -> Iterator[str]:
    if run.unseen:
        yield f"writes that the machine does not see: {run.unseen}"
    if kind in (KILL, *POWER, "half, kill"):
        if run.how != "killed":
            yield f"{run.how} instead of killed: {run.trace}"
    elif run.how == "done":
        if output.read_bytes() != scenario.wanted:
            yield "the run said that all is well, and it is not"
    elif run.error != "StorageError":
        yield f"{run.how}, {run.error}: {run.sentence}\n{run.trace}"
    elif not is_a_sentence(run.sentence):
        yield f"this is no clear sentence: {run.sentence!r}"


def is_a_sentence(text: str) -> bool:
    """Tell whether a refusal by the disk says what was written and what is wrong with it, in one sentence."""
    ends = ("; free some and run the same again.", " cannot be written: Input/output error.")
    return text.endswith(ends) and "\n" not in text and OUTPUT in text and ".tmp" not in text


def _wrong_state(scenario: Scenario, kind: str, n: int, output: Path) -> Iterator[str]:
    published = output.read_bytes() if output.exists() else None
    if published not in (scenario.left.get(scenario.place), scenario.wanted):
        yield "what is published is neither the old file nor the new one"
    there = {path.name for path in work_of(output).glob("shard-*.h5") if digests_of(scenario.recipe, path)}
    lost = scenario.done_shards(kind, n) - there
    if lost and published != scenario.wanted:
        yield f"shards that were done are gone: {lost}"


def _wrong_resumption(machine: Machine, scenario: Scenario, folder: Path, options: dict[str, Any]) -> Iterator[str]:
    output = folder / scenario.place
    known = digests_of(scenario.recipe, output, *work_of(output).glob("shard-*.h5"))
    resumed = scenario.run(machine, folder, **options)
    if resumed.how != "done":
        yield f"the resumed run: {resumed.how}, {resumed.error}: {resumed.sentence}\n{resumed.trace}"
        return
    if resumed.counts[1] != scenario.unique - len(known):
        yield f"{len(known)} of {scenario.unique} were known, and {resumed.counts[1]} were computed"
    if output.read_bytes() != scenario.wanted:
        yield "the resumed run made another file than the undisturbed one"
    for path in folder.rglob("*"):
        if path not in (output, output.parent):
            yield f"{path.name} was left over"


def work_of(output: Path) -> Path:
    """Name the folder of unfinished work."""
    return output.with_name(f"{output.name}.work")


def digests_of(recipe: str, *paths: Path) -> set[bytes]:
    """Collect the pictures of those files, published ones and shards alike, that are there, whole and of a recipe."""
    found: set[bytes] = set()
    for path in paths:
        try:
            raw = sealed.checked_map(path)
        except (FileNotFoundError, FileFormatError):
            continue
        datasets, attrs = columns.places(path)
        if attrs["recipe_sha256"] == recipe:
            found |= {row.tobytes() for row in columns.view(raw, datasets["images/sha256"], "images/sha256")}
    return found

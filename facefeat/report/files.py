"""What is said of files: what one holds, whether it is whole, what merging and pruning did to it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facefeat.data.folder import escaped, printable
from facefeat.features.store.file import FeatureFile
from facefeat.learn.search import search_of
from facefeat.report import words
from facefeat.report.tables import SHOWN, facts, skipped

if TYPE_CHECKING:
    from facefeat.features.merge import Merged
    from facefeat.features.prune import Pruned
    from facefeat.features.recipe import Recipe
    from facefeat.features.store.check import Checked, Unfinished
    from facefeat.learn.bundle import Bundle
    from facefeat.learn.check import Seen

ENDS = 5  # people shown with the most pictures, and with the fewest
BAR = 24  # columns of the longest bar

Facts = list[tuple[str, str]]


def info(seen: Seen, verbose: bool = False) -> RenderableType:
    """Lay out what a feature file or a bundle holds."""
    if isinstance(seen.contents, FeatureFile):
        file = seen.contents
        counts = np.bincount(file.person[file.original], minlength=len(file.people)).tolist()
        return Group(facts(_feature_file(seen, file, verbose)), _people(file.people, counts, verbose))
    bundle = seen.contents
    counts = np.bincount(bundle.gallery.pictures.person, minlength=len(bundle.people)).tolist()
    return Group(facts(_bundle(seen, bundle)), _people(bundle.people, counts, verbose))


def checked(found: Checked) -> RenderableType:
    """Lay out what was checked, and every problem on its line."""
    kind = {"features": "a feature file", "bundle": "a model"}.get(found.kind, "a file")
    unseen = "which cannot be read" if any(one.file == found.path for one in found.problems) else "not there yet"
    none = ("file", f"{escaped(str(found.path))}, {unseen}")
    rows: Facts = [_file(found.path, kind, found.bytes) if found.sha256 else none]
    rows += [("checked", "\n".join(_counted(found)))] if found.counts else []
    rows += [("SHA-256", found.sha256)] if found.sha256 else []
    rows.append(("time", f"{found.seconds:.1f} s"))
    n = len(found.problems)
    verdict = Text(
        f" {words.counted(n, 'problem')}" if n else " Everything is whole.", "bold red" if n else "bold green"
    )
    said = [("problem", one.message) for one in found.problems] + [("note", one.message) for one in found.notes]
    return Group(facts(rows), Text(), verdict, *([facts(said)] if said else []))


def merged(made: Merged) -> RenderableType:
    """Lay out what each input gave, and what the union is."""
    rows: Facts = [
        ("input", f"{escaped(str(path))}: {words.counted(n, 'row')}, {_new(n, new)}") for path, n, new in made.inputs
    ]
    rows.append(("rows", f"{len(made.file):,} of {words.counted(len(made.file.people), 'person', 'people')}"))
    if made.file.skipped:
        rows += skipped(made.file, verbose=False)
    rows += [("time", f"{made.seconds:.1f} s"), ("output", escaped(str(made.file.path)))]
    return facts(rows)


def pruned(made: Pruned) -> RenderableType:
    """Lay out what left, what stays, and what else may hold vectors of it."""
    rows: Facts = []
    if made.file is not None:
        out = [words.counted(made.rows, "row")]
        out += [words.counted(made.skipped, "skipped picture")] if made.skipped else []
        rows.append(("taken out", words.listed(out) if made.rows or made.skipped else "nothing"))
        if made.people:
            rows.append(("", f"nothing is left of {_some(made.people)}"))
        people = words.counted(len(made.file.people), "person", "people")
        rows.append(("stays", f"{words.counted(len(made.file), 'row')} of {people}"))
    if made.unreadable:
        rows.append(("in doubt", f"{words.counted(made.unreadable, 'file')} cannot be read now; their rows stay"))
    if made.to_extract:
        rows.append(("missing", f"{words.counted(made.to_extract, 'picture')} of the folder, left to facefeat extract"))
    if made.deleted:
        rows.append(("deleted", f"{words.counted(made.deleted, 'file')} of unfinished work"))
    elif made.file is None:
        rows.append(("deleted", "nothing: no unfinished work lies beside it"))
    if made.left.files and (made.rows or made.skipped):
        rows.append(("careful", f"{_work(made.left)} beside it may hold vectors of what left; --work deletes them"))
    rows += [("time", f"{made.seconds:.1f} s"), ("file", escaped(str(made.path)))]
    return facts(rows)


def _feature_file(seen: Seen, file: FeatureFile, verbose: bool) -> Facts:
    rows: Facts = [
        _file(seen.path, "a feature file", seen.bytes),
        ("rows", f"{len(file):,} of {words.counted(len(file.people), 'person', 'people')}"),
        *_augmented(file),
        ("copies", _copies(file)),
        ("no face", _faceless(file)),
        *(skipped(file, verbose) if file.skipped else [("skipped", "none")]),
        ("vectors", "\n".join(_layers(file))),
        *_recipe(file.recipe),
    ]
    for maker in (file.made_by, *file.made_by.get("others", ())):
        name = "made by" if maker is file.made_by else "and by"
        engine = f"{maker['engine']} on {maker['device']}, {maker['precision']}"
        rows += [(name, engine), ("", _versions(maker["versions"]))]
    if seen.work.files:
        goes_on = f"; facefeat extract goes on from {words.counted(seen.work_rows, 'row')} in them"
        rows.append(("unfinished", f"{_work(seen.work)} beside it{goes_on if seen.work_rows else ''}"))
    return rows


def _bundle(seen: Seen, bundle: Bundle) -> Facts:
    knobs = ", ".join(f"{knob}={value}" for knob, value in bundle.params.items()) or "its defaults"
    unknown = words.threshold_sentences(bundle.threshold)
    rows: Facts = [
        _file(seen.path, "a model", seen.bytes),
        ("head", f"{bundle.head} on {bundle.layer}, {knobs}"),
        ("trained on", words.trained_on(bundle)),
        ("unknown", "\n".join(unknown)),
    ]  # fmt: skip
    if bundle.confidence:
        rows.append(("sure", words.confidence_sentence(bundle.confidence)))
    if found := search_of(bundle.head, bundle.estimator):
        rows.append(("search", words.search_sentence(found)))
    if accuracy := bundle.scores.get("accuracy"):
        share = f"{words.percent(accuracy['mean'])} (95 % interval {100 * accuracy['low']:.1f} to {100 * accuracy['high']:.1f})"
        rows.append(("accuracy", f"{share}; {bundle.scores.get('protocol', '')}"))
    return [*rows, *_recipe(bundle.recipe), ("made with", _versions(bundle.versions))]


def _people(people: Sequence[str], counts: Sequence[int], verbose: bool) -> RenderableType:
    """List people with their pictures: all where they are few, else those with the most and the fewest."""
    listed = [(printable(name), n) for name, n in zip(people, counts, strict=True)]
    hidden = 0 if verbose or len(listed) <= SHOWN else len(listed) - 2 * ENDS
    if hidden and min(counts) == max(counts):
        return Text(f"\n Each of them has {words.counted(counts[0], 'picture')}; -v lists them.", "dim")
    if hidden:
        listed.sort(key=lambda one: -one[1])
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("person", overflow="fold", max_width=32)
    table.add_column("pictures", justify="right")
    table.add_column("", no_wrap=True, style="cyan")
    for place, (name, n) in enumerate(listed):
        if not hidden or place < ENDS or place >= ENDS + hidden:
            table.add_row(Text(name), f"{n:,}", "█" * max(1, round(BAR * n / max(counts))))
        elif place == ENDS:
            table.add_row(Text(f"... {hidden:,} others", "dim"))
    hint = [Text(" -v lists everybody.", "dim")] if hidden else []
    return Group(Padding(table, (0, 0, 0, 1)), *hint)


def _file(path: Path, kind: str, n: int) -> tuple[str, str]:
    size, unit = float(n), "bytes"
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return "file", f"{escaped(str(path))}, {kind} of {size:,.{1 if n >= 1000 else 0}f} {unit}"


def _copies(file: FeatureFile) -> str:
    copies, of_others = file.copies()
    if not copies:
        return "none"
    text = f"{words.counted(copies, 'picture')} with the bytes of an earlier one"
    return f"{text}; under another person's name: {of_others:,}" if of_others else text


def _augmented(file: FeatureFile) -> Facts:
    """Say how many copies there are, and by what ranges they were made."""
    if not file.n_each:
        return []
    ranges = json.loads(file.augmentation or "{}")
    return [("augmented", words.augmented(file)), ("", ", ".join(f"{name} {ranges[name]}" for name in sorted(ranges)))]


def _faceless(file: FeatureFile) -> str:
    if file.recipe.faces.detector == "none":
        return "not looked for; the whole picture was taken"
    n = int((~file.found & file.original).sum())
    return (
        f"in {n:,} of {file.n_pictures:,}; there the whole picture was taken"
        if n
        else "none: a face was found in every row"
    )


def _layers(file: FeatureFile) -> list[str]:
    wide = max(map(len, file.layers))
    tables = ((layer, file.vectors(layer)) for layer in file.layers)
    return [f"{layer:<{wide}}  {table.shape[1]:>6,} x {table.dtype}" for layer, table in tables]


def _recipe(recipe: Recipe) -> Facts:
    flip = ", mirrored mean" if recipe.flip else ""
    text = f"{recipe.backbone} ({words.weights(recipe)}), {recipe.input_size} px, {recipe.pooling}{flip}"
    rows = [("recipe", f"{text}, faces: {recipe.faces.detector}"), ("", f"SHA-256 {recipe.sha256}")]
    return rows + [("int8", line) for line in words.rounding(recipe)]


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _counted(found: Checked) -> list[str]:
    """Say what was counted, a line each for the file, its gallery and its shards."""
    n, lines = found.counts, []
    if "rows" in n:
        rows = f"{words.counted(n['rows'], 'row')} of {words.counted(n['people'], 'person', 'people')}"
        copies = f", of them {words.counted(n['copies'], 'augmented copy', 'augmented copies')}" if n["copies"] else ""
        lines.append(f"{rows}{copies}, {words.counted(n['layers'], 'layer')}, {n['skipped']:,} skipped")
    if "gallery" in n:
        people = words.counted(n["people"], "person", "people")
        pictures = words.counted(n["gallery"], "picture")
        some = f"{n['gallery_named']:,}, evenly taken, of " if "gallery_named" in n else ""
        lines.append(
            f"{people}; of {some}the {pictures} it was trained on, its head names {n['gallery_right']:,} right"
        )
    if "shards" in n:
        lines.append(
            f"{words.counted(n['shards'], 'shard')} of unfinished work, {words.counted(n['shard_rows'], 'row')}"
        )
    return lines


def _new(n: int, new: int) -> str:
    return "all of them new" if n == new else f"{new:,} of them new"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _work(work: Unfinished) -> str:
    parts = (
        (len(work.shards), "shard"),
        (len(work.set_aside), "damaged shard"),
        (len(work.half_written), "half-written file"),
    )
    return words.listed([words.counted(n, noun) for n, noun in parts if n])

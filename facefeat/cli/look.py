"""The commands that look at things: info, check, heads, backbones."""

from pathlib import Path
from typing import Annotated, Any

import typer

from facefeat.cli import frame

File = Annotated[Path, typer.Argument(help="A feature file, or a model made by facefeat fit.")]


@frame.reported
def info(
    file: File = Path("features.h5"),
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Show what a feature file or a model holds.

    Example: facefeat info features.h5
    """
    from facefeat.learn.check import look
    from facefeat.report import documents, files

    seen = look(file)
    frame.show(lambda: files.info(seen, verbose), lambda: documents.info(seen), as_json)


@frame.reported
def check(
    file: File = Path("features.h5"),
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    debug: frame.Debug = False,
) -> None:
    """Check every checksum and count of a feature file, with unfinished work beside it, or of a model.

    Exits with 4 if there is any problem.

    Example: facefeat check features.h5
    """
    from facefeat.learn.check import check as run
    from facefeat.report import documents, files

    found = run(file)
    frame.show(lambda: files.checked(found), lambda: documents.checked(found), as_json)
    if found.problems:
        mend = "facefeat extract --overwrite makes a feature file anew and sets damaged shards aside; facefeat fit, a model"
        frame.hint(f"{mend}.", quiet or as_json)
        raise typer.Exit(4)


@frame.reported
def heads(as_json: frame.AsJson = False, debug: frame.Debug = False) -> None:
    """List the heads, with their knobs.

    Example: facefeat heads
    """
    from facefeat import plugins
    from facefeat.learn import head

    found = {name: (head.get(name).SUMMARY, head.knobs(name)) for name in plugins.names("head")}
    rows = [
        (name, f"{summary}\n{', '.join(f'{knob}={_plain(value)}' for knob, value in knobs.items())}")
        for name, (summary, knobs) in found.items()
    ]
    document = {
        "schema": "facefeat/heads/1",
        "heads": [{"name": name, "summary": summary, "knobs": knobs} for name, (summary, knobs) in found.items()],
    }
    _list("head", rows, document, as_json)


@frame.reported
def backbones(as_json: frame.AsJson = False, debug: frame.Debug = False) -> None:
    """List the backbones, with their layers.

    Example: facefeat backbones
    """
    from facefeat import plugins
    from facefeat.features import backbone

    found = {name: backbone.get(name) for name in plugins.names("backbone")}
    rows = [
        (name, f"{one.SUMMARY}; {one.LICENCE}\nlayers {', '.join(one.LAYERS)}; {one.DEFAULT_SIZE} pixels")
        for name, one in found.items()
    ]
    document = {
        "schema": "facefeat/backbones/1",
        "backbones": [
            {
                "name": name,
                "summary": one.SUMMARY,
                "licence": one.LICENCE,
                "layers": list(one.LAYERS),
                "default_layers": list(one.DEFAULT_LAYERS),
                "size": one.DEFAULT_SIZE,
                "poolings": list(one.POOLINGS),
                "weights": list(one.WEIGHTS),
            }
            for name, one in found.items()
        ],
    }
    _list("backbone", rows, document, as_json)


def _list(kind: str, rows: list[tuple[str, str]], document: dict[str, Any], as_json: bool) -> None:
    from facefeat.report import tables

    frame.show(lambda: tables.plugins(kind, rows), lambda: document, as_json)


def _plain(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)

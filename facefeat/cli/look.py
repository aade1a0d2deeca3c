"""The commands that look at things: info, heads, backbones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from facefeat.cli import frame


@frame.reported
def info(
    features: Annotated[Path, typer.Argument(help="A feature file.")] = Path("features.h5"),
    as_json: frame.AsJson = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Show what a feature file holds.

    Example: facefeat info features.h5
    """
    from facefeat.features.store.file import read
    from facefeat.report import documents, tables

    file = read(features)
    frame.show(lambda: tables.info(file, verbose), lambda: documents.info(file), as_json)


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

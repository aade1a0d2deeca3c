"""The commands that rewrite feature files: merge, prune."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame


@frame.reported
def merge(
    inputs: Annotated[list[Path], typer.Argument(help="Feature files of one recipe.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The feature file that unites them.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output; it may be an input.")] = False,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    debug: frame.Debug = False,
) -> None:
    """Unite feature files of one recipe in one, computing nothing.

    Example: facefeat merge monday.h5 tuesday.h5 -o features.h5
    """
    from facefeat.features.merge import merge as run
    from facefeat.report import documents, files

    made = run(inputs, output, overwrite=overwrite)
    frame.show(lambda: files.merged(made), lambda: documents.merged(made), as_json)
    frame.hint(f"Next: facefeat compare {output}", quiet or as_json)


@frame.reported
def prune(
    features: Annotated[Path, typer.Argument(help="A feature file.")],
    data: Annotated[
        Path | None, typer.Option(help="A folder of people: what is no longer in it, as it was, leaves.")
    ] = None,
    person: Annotated[list[str] | None, typer.Option(help="Everything of this person leaves; may be repeated.")] = None,
    work: Annotated[bool, typer.Option("--work", help="Delete what unfinished runs left beside the file.")] = False,
    workers: frame.Workers = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    debug: frame.Debug = False,
) -> None:
    """Take pictures or people out of a feature file, computing nothing.

    A model that was fitted before keeps what it learned: fit it anew.

    Example: facefeat prune features.h5 --person Anna
    """
    from facefeat.features.prune import prune as run
    from facefeat.report import documents, files

    with frame.progress(quiet) as tell:
        made = run(features, data=data, people=person or (), work=work, workers=frame.cores(workers), progress=tell)
    frame.show(lambda: files.pruned(made), lambda: documents.pruned(made), as_json)
    if made.to_extract:
        frame.hint(f"Next: facefeat extract {data} -o {features}", quiet or as_json)
    elif made.rows:
        frame.hint(f"Models fitted before keep what left; next: facefeat fit {features}", quiet or as_json)

"""The command that says how many photographs a person are needed."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame


@frame.reported
def howmany(
    features: Annotated[Path, typer.Argument(help="A feature file.")] = Path("features.h5"),
    heads: Annotated[str, typer.Option(help="all that are quick, or names with commas.")] = "all",
    layer: Annotated[str, typer.Option(help="The vectors to use, or auto.")] = "auto",
    counts: Annotated[
        str | None, typer.Option(help="Photographs a person, such as 1,2,5; by default 1, 2, 3, 5, 8 and so on.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=2, help="How often all is drawn anew.")] = 10,
    strangers: Annotated[bool, typer.Option(help="Hold a fifth of the people out as strangers.")] = True,
    random_state: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Also write the report here: .txt, .json or .svg.")] = None,
    workers: frame.Workers = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Say how many photographs a person are needed, and who would gain most from more.

    Every head is trained on one photograph a person, then on more, and always tested on the same others.

    Example: facefeat howmany features.h5 --counts 1,2,5
    """
    from facefeat.features.store.file import read
    from facefeat.learn.draws import parse_counts
    from facefeat.learn.howmany import howmany as run
    from facefeat.report import howmany as text

    wanted = parse_counts(counts)
    file = read(features)
    with frame.progress(quiet) as tell:
        found = run(
            file,
            heads_wanted=frame.names(heads),
            layer=None if layer == "auto" else layer,
            counts=wanted,
            repeats=repeats,
            strangers=strangers,
            random_state=random_state,
            workers=frame.cores(workers),
            progress=tell,
        )
    frame.show(lambda: text.table(found, verbose), lambda: text.document(found), as_json)
    if report:  # after the table: a full disk does not cost what was measured
        frame.write(report, lambda: text.table(found, verbose), lambda: text.document(found))
    if found.best.flat is None and found.best.steps:
        frame.hint("Next: add photographs, then: facefeat extract; it computes only what is new", quiet or as_json)
    else:
        best = found.best
        frame.hint(f"Next: facefeat fit {features} --head {best.head} --layer {best.layer}", quiet or as_json)

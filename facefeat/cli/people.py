"""The commands for people who come and go: add, forget, rename, people."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame
from facefeat.cli.use import Model


@frame.reported
def add(
    model: Model,
    name: Annotated[
        str, typer.Argument(help="The person, new or in the model: what their folder is or would be called.")
    ],
    pictures: Annotated[list[Path], typer.Argument(help="Photographs of them alone, or folders of such.")],
    force: Annotated[bool, typer.Option(help="Take faces that look like somebody else, too.")] = False,
    engine: frame.Engine = "auto",
    precision: frame.Precision = "auto",
    weights: frame.WeightsFile = None,
    detector: frame.DetectorFile = None,
    workers: frame.Workers = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Add pictures of somebody to a model; nobody else's are needed.

    Pictures without a face or with several, blurred ones, copies, and faces that look like somebody else are refused,
    each with the reason. The head is fitted anew on the vectors that the model keeps.

    Example: facefeat add model.facefeat Anna anna/
    """
    from facefeat.learn.membership import add as run
    from facefeat.report import membership

    with frame.progress(quiet) as tell:
        made = run(
            model,
            name,
            pictures,
            force=force,
            engine=engine,
            precision=precision,
            weights=weights,
            detector=detector,
            workers=frame.cores(workers),
            progress=tell,
        )
    frame.show(lambda: membership.added(made, verbose), lambda: membership.added_document(made), as_json)
    if not made.taken:
        frame.hint(f"No picture was taken; {made.output} stays as it is.", quiet=False)
        raise typer.Exit(3)


@frame.reported
def forget(
    model: Model,
    name: Annotated[str, typer.Argument(help="The person.")],
    features: Annotated[
        list[Path] | None,
        typer.Option(help="Also take them out of this feature file, and delete unfinished work beside it; repeatable."),
    ] = None,
    workers: frame.Workers = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    debug: frame.Debug = False,
) -> None:
    """Remove somebody from a model, and from feature files; what is printed is a receipt.

    The head is fitted anew without them. Photographs are not touched.

    Example: facefeat forget model.facefeat Anna --features features.h5
    """
    from facefeat.learn.membership import forget as run
    from facefeat.report import membership

    with frame.progress(quiet) as tell:
        made = run(model, name, features=features or (), workers=frame.cores(workers), progress=tell)
    frame.show(lambda: membership.forgotten(made), lambda: membership.forgotten_document(made), as_json)


@frame.reported
def rename(
    model: Model,
    old: Annotated[str, typer.Argument(help="What the person is called.")],
    new: Annotated[str, typer.Argument(help="What they are to be called.")],
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    debug: frame.Debug = False,
) -> None:
    """Call somebody in a model by another name; nothing is fitted.

    Example: facefeat rename model.facefeat Anna "Anna Müller"
    """
    from facefeat.learn.membership import rename as run
    from facefeat.report import membership

    made = run(model, old, new)
    frame.show(lambda: membership.renamed(made), lambda: membership.renamed_document(made), as_json)


@frame.reported
def people(
    model: Model,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """List who is in a model: pictures, how sharp they are, and who else they look like.

    Example: facefeat people model.facefeat
    """
    from facefeat.learn.bundle import read
    from facefeat.learn.membership import people as run
    from facefeat.report import membership

    bundle = read(model)
    found = run(bundle)
    frame.show(
        lambda: membership.members(found, bundle, verbose),
        lambda: membership.members_document(found, bundle, model),
        as_json,
    )

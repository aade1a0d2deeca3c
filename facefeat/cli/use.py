"""The commands that use a model: evaluate, predict."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame

Model = Annotated[Path, typer.Argument(help="A model made by facefeat fit.")]


@frame.reported
def evaluate(
    model: Model,
    data: Annotated[
        Path,
        typer.Argument(help="A folder of people, its feature file, or a folder with gallery/, probe/ and unknown/."),
    ],
    unknown: Annotated[
        Path | None, typer.Option(help="Strangers that lie elsewhere: folders of people, or loose pictures.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page, with plots and mistakes.")] = None,
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
    """Score a model on pictures it did not see.

    Folders are matched with the model's people by their names; others are strangers. A folder that holds probe/, and
    nothing but gallery/ and unknown/ beside it, is a test set: the people of gallery/ take the place of the model's
    own, those of unknown/ are strangers.

    Example: facefeat evaluate model.facefeat held-out/ --unknown strangers/
    """
    from facefeat.learn import bundle
    from facefeat.learn.evaluate import evaluate as run
    from facefeat.report import evaluated

    fitted = bundle.read(model)
    with frame.progress(quiet) as tell:
        found = run(
            fitted,
            data,
            unknown=unknown,
            engine=engine,
            precision=precision,
            weights=weights,
            detector=detector,
            workers=frame.cores(workers),
            progress=tell,
        )
    frame.show(lambda: evaluated.table(found, verbose), lambda: evaluated.document(found), as_json)
    if html:
        from facefeat.report import evaluation_page

        frame.write_page(html, evaluation_page.page(found, fitted, data), quiet or as_json)


@frame.reported
def predict(
    model: Model,
    pictures: Annotated[list[Path], typer.Argument(help="Photographs.")],
    top: Annotated[int, typer.Option(min=1, help="How many candidates to list.")] = 3,
    annotate: Annotated[Path | None, typer.Option(help="Draw boxes and names into copies in this folder.")] = None,
    engine: frame.Engine = "auto",
    precision: frame.Precision = "auto",
    weights: frame.WeightsFile = None,
    detector: frame.DetectorFile = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Name every face of some photographs, or say unknown.

    Example: facefeat predict model.facefeat party.jpg --annotate out/
    """
    from facefeat.engines.network import describe
    from facefeat.learn.predict import load
    from facefeat.report import predicted
    from facefeat.report.annotate import annotate as draw

    recogniser = load(model, engine=engine, precision=precision, weights=weights, detector=detector)
    ran_on = describe(recogniser.encoder.engine)
    photos = recogniser.predict(pictures, top)
    frame.show(lambda: predicted.table(photos, ran_on), lambda: predicted.document(photos, ran_on), as_json)
    if annotate:
        for photo in photos:
            if not photo.error:
                frame.hint(f"Wrote {draw(photo, annotate)}", quiet)
    if all(photo.error for photo in photos):
        raise typer.Exit(3)

"""The command that cuts faces out of raw photographs."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame


@frame.reported
def crop(
    raw: Annotated[Path, typer.Argument(help="A folder with one subfolder a person.")],
    out: Annotated[Path, typer.Argument(help="The folder of faces; made where it is missing.")],
    size: Annotated[int, typer.Option(help="Side of a face, 32 to 1024 pixels.")] = 224,
    faces: Annotated[str, typer.Option(help="How faces are found: auto (mtcnn) or yunet:FILE.onnx.")] = "auto",
    policy: frame.Policy = None,
    template: frame.Template = None,
    margin: frame.Margin = None,
    min_score: frame.MinScore = None,
    min_face: frame.MinFace = None,
    workers: frame.Workers = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace faces cut otherwise, and files that are not facefeat's.")
    ] = False,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Cut the faces out of raw photographs, into the same folders of people.

    Faces are cut as extract would cut them; a photograph without one gives none.

    A second run cuts only what is new. OUT/faces.csv says what became of each photograph.

    Example: facefeat crop photographs/ faces/
    """
    from facefeat.curate.crop import crop as run
    from facefeat.features.recipe import SIZES
    from facefeat.report import cropped

    with frame.progress(quiet) as tell:
        made = run(
            raw,
            out,
            size=size,
            faces_mode=faces,
            workers=frame.cores(workers),
            overwrite=overwrite,
            progress=tell,
            policy=policy,
            template=template,
            margin=margin,
            min_score=min_score,
            min_face=min_face,
        )
    frame.show(lambda: cropped.cropped(made, verbose), lambda: cropped.document(made), as_json)
    frame.hint(f"Next: facefeat extract {out} --faces none --size {min(size, SIZES[1])}", quiet or as_json)

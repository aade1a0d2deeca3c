"""The command that writes a model for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame


@frame.reported
def export(
    model: Annotated[Path, typer.Argument(help="A model made by facefeat fit.")] = Path("model.facefeat"),
    format: Annotated[
        str | None, typer.Option(help="keras, onnx, openvino or tflite; by default what the output's suffix says.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; by default the model's name with another suffix.")
    ] = None,
    check: Annotated[
        Path | None,
        typer.Option(help="A folder of people on whose faces it is compared with the model, beside made-up ones."),
    ] = None,
    weights: frame.WeightsFile = None,
    detector: frame.DetectorFile = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    debug: frame.Debug = False,
) -> None:
    """Write a model for other programs: from an aligned face to who it is.

    Its own runtime runs the file, and what differs from the model is not kept.

    It also holds the people, the threshold and how faces are aligned.

    docs/export.md has a few lines of Python that use it, for each format.

    Example: facefeat export model.facefeat --format onnx --check held-out/
    """
    from facefeat.report import exported
    from facefeat.tune.export import export as run

    with frame.progress(quiet) as tell:
        made = run(model, output, format=format, data=check, weights=weights, detector=detector, progress=tell)
    frame.show(lambda: exported.table(made), lambda: exported.document(made), as_json)
    frame.hint(f"How to run it with {made.format.runtime} alone: docs/export.md", quiet or as_json)

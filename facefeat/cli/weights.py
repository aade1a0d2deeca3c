"""The commands about weights: list, fetch, check."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame

app = typer.Typer(name="weights", help="List, fetch and check the weights of backbones.", no_args_is_help=True)


@app.command("list")
@frame.reported
def listed(as_json: frame.AsJson = False, debug: frame.Debug = False) -> None:
    """List the weights of every backbone: whether they are here, how large they are, whose they are.

    Example: facefeat weights list
    """
    from facefeat.features.catalogue import named
    from facefeat.report import weights

    found = named()
    frame.show(lambda: weights.listed(found), lambda: weights.listed_document(found), as_json)


@app.command()
@frame.reported
def fetch(
    backbone: Annotated[str, typer.Argument(help="The network; facefeat weights list has them.")],
    name: Annotated[str | None, typer.Option(help="Which of its weights; by default the first.")] = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    debug: frame.Debug = False,
) -> None:
    """Download the published weights of a backbone into the cache folder, once.

    Example: facefeat weights fetch vgg19
    """
    from facefeat.features.catalogue import fetched
    from facefeat.report import weights

    with frame.progress(quiet) as tell:
        made = fetched(backbone, name, tell)
    frame.show(lambda: weights.fetched(made), lambda: weights.fetched_document(made), as_json)
    frame.hint(f"Next: facefeat extract DATA --backbone {backbone} --weights {made.name}", quiet or as_json)


@app.command()
@frame.reported
def check(
    file: Annotated[Path, typer.Argument(help="A .npz, .h5, .weights.h5, .safetensors or .onnx file.")],
    backbone: Annotated[str, typer.Option(help="The network that it should be of.")] = "vgg16",
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    debug: frame.Debug = False,
) -> None:
    """Say what a file of weights is, and whether a backbone can use it.

    Exits with 4 if it cannot.

    Example: facefeat weights check vgg19.safetensors --backbone vgg19
    """
    from facefeat.features.catalogue import examined
    from facefeat.report import weights

    found = examined(file, backbone)
    frame.show(lambda: weights.examined(found), lambda: weights.examined_document(found), as_json)
    asked = f" --preprocess {found.preprocess}" if found.preprocess else ""
    frame.hint(f"Next: facefeat extract DATA --backbone {backbone} --weights {file}{asked}", quiet or as_json)

"""The command that says whether two faces are of one person."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame
from facefeat.errors import UsageError

MODEL = Path("model.facefeat")


@frame.reported
def match(
    data: Annotated[
        list[Path] | None,
        typer.Argument(help="Two photographs; with --pairs, a folder of people or a feature file.", show_default=False),
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="Pairs to score, in the format of Labeled Faces in the Wild.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="A model made by facefeat fit; for two photographs model.facefeat, with --pairs none."),
    ] = None,
    layer: Annotated[str | None, typer.Option(help="With --pairs and no model: the vectors to compare.")] = None,
    fmr: Annotated[float, typer.Option(help="Share of pairs of two people that may match.")] = 0.01,
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
    """Say whether two faces are of one person, or score pairs of faces.

    Each fold of the pairs is decided by a threshold that is best on the others.

    Example: facefeat match A.jpg B.jpg --model model.facefeat

    Example: facefeat match --pairs pairs.txt features.h5
    """
    given = data or []
    if pairs is None:
        first, second, chosen = _two(given, model, layer)
        from facefeat.learn.match import match as compare
        from facefeat.report import verified

        with frame.progress(quiet) as tell:
            seen = compare(
                chosen, first, second, fmr=fmr,
                engine=engine, precision=precision, workers=frame.cores(workers),
                weights=weights, detector=detector, progress=tell,
            )  # fmt: skip
        frame.show(lambda: verified.pictures(seen), lambda: verified.pictures_document(seen), as_json)
        return
    source = _one(given, model)
    from facefeat.learn import bundle
    from facefeat.learn.pairs import read_pairs
    from facefeat.learn.verification import verify
    from facefeat.report import verified

    listed = read_pairs(pairs)
    with frame.progress(quiet) as tell:
        found = verify(
            source, listed, bundle.read(model) if model else None, layer=layer, fmr=fmr,
            engine=engine, precision=precision, workers=frame.cores(workers),
            weights=weights, detector=detector, progress=tell,
        )  # fmt: skip
    frame.show(lambda: verified.pairs(found, verbose), lambda: verified.pairs_document(found), as_json)
    if source.is_dir():
        frame.hint("To score pairs again without computing vectors again, give a feature file.", quiet or as_json)


def _two(given: list[Path], model: Path | None, layer: str | None) -> tuple[Path, Path, Path]:
    """Return two photographs and the model, or say what was typed wrong."""
    if len(given) != 2:
        came = {0: "nothing was", 1: f"only {given[0]} was" if given else ""}.get(
            len(given), f"{len(given)} files were"
        )
        raise UsageError(
            f"Two photographs are expected, and {came} given; to score many pairs give --pairs FILE and their folder."
        )
    if layer:
        raise UsageError("--layer goes with --pairs; two photographs are compared on the model's own layer.")
    chosen = _there(model or MODEL)
    return given[0], given[1], chosen


def _one(given: list[Path], model: Path | None) -> Path:
    """Return the data of pairs, or say what was typed wrong."""
    if len(given) != 1:
        came = f"{len(given)} were given" if given else "none was given"
        raise UsageError(f"With --pairs one folder of people or feature file is expected; {came}.")
    if model:
        _there(model)
    return given[0]


def _there(model: Path) -> Path:
    if not model.exists():
        raise UsageError(
            f"There is no model {model}; make it with: facefeat fit -o {model}, or give another as --model."
        )
    return model

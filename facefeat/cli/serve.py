"""The command that serves a model as a web page."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame


@frame.reported
def serve(
    model: Annotated[Path, typer.Argument(help="A model made by facefeat fit.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: any that is free.")] = 8000,
    token: Annotated[
        str | None, typer.Option(envvar="FACEFEAT_TOKEN", help="What others must know to ask; else one is made.")
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name it is called by, such as a proxy's; may be repeated.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="A page of facefeat compare --html, shown beside.")] = None,
    max_mb: Annotated[int, typer.Option(min=1, max=128, help="Largest picture that is taken.")] = 20,
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
    """Open a model as a page in the browser: who is in a photograph, and whom it knows.

    The page and its API (/openapi.json) are for this machine alone. Photographs stay in memory.

    Example: facefeat serve model.facefeat --report report.html
    """
    from functools import partial

    from facefeat.learn.predict import encoder_of
    from facefeat.serve import greeting
    from facefeat.serve.limits import Limits
    from facefeat.serve.memory import return_large
    from facefeat.serve.server import open_server

    return_large()
    opened = open_server(
        model,
        host=host,
        port=port,
        token=token,
        allowed=allow_host or [],
        report=report,
        limits=Limits(picture_bytes=max_mb * 1024**2),
        workers=frame.cores(workers),
        encoder=partial(encoder_of, engine=engine, precision=precision, weights=weights, detector=detector),
        tell=lambda sentence: frame.hint(sentence, quiet),
    )
    frame.show(lambda: greeting.lines(opened, model), lambda: greeting.document(opened, model), as_json)
    opened.run()

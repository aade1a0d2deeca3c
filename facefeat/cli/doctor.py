"""The command that says what is wrong with a data set, and mends it."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame


@frame.reported
def doctor(
    data: Annotated[Path, typer.Argument(help="A folder with one subfolder a person.")],
    against: Annotated[
        Path | None, typer.Option(help="Another such folder, for testing, which must share no picture with it.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures to look at.")] = None,
    fix: Annotated[Path | None, typer.Option(help="Write what would be moved here, as a list to look at.")] = None,
    apply: Annotated[Path | None, typer.Option(help="Move what such a list says; nothing is deleted.")] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Put back whatever such lists have moved.")] = False,
    features: Annotated[
        Path, typer.Option(help="Vectors that are known already; written where there is no such file.")
    ] = Path("features.h5"),
    random_state: Annotated[int, typer.Option(help="Seed of the folds that suspects are judged by.")] = 0,
    engine: frame.Engine = "auto",
    weights: frame.WeightsFile = None,
    detector: frame.DetectorFile = None,
    workers: frame.Workers = None,
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    verbose: frame.Verbose = False,
    debug: frame.Debug = False,
) -> None:
    """Say what is wrong with a data set: copies, leaks, wrong names, bad faces.

    Looking changes nothing. --fix writes a list of what could be moved; --apply moves it into a folder beside the data
    set; --undo moves it back.

    Example: facefeat doctor data/ --html doctor.html --fix list.csv
    """
    from facefeat.curate import mend
    from facefeat.report import diagnosis as report

    mend.check_options(apply, undo, (against, html, fix))
    if apply or undo:
        made = mend.apply_list(data, apply) if apply else mend.restore(data)
        frame.show(lambda: report.mended(made, data), lambda: report.mended_document(made), as_json)
        if made.removed or made.moved:
            frame.hint(f"To take it back: facefeat doctor {data} --undo", quiet or as_json)
        return
    from facefeat.curate.doctor import examine

    with frame.progress(quiet) as tell:
        found = examine(
            data,
            against=against,
            features=features,
            engine=engine,
            weights=weights,
            detector=detector,
            random_state=random_state,
            workers=frame.cores(workers),
            progress=tell,
        )
    frame.show(lambda: report.table(found, verbose), lambda: report.document(found), as_json)
    if html:
        from facefeat.report import pages

        frame.write_page(html, pages.diagnosis(found), quiet or as_json)
    if fix:
        n = mend.write_list(found.findings, found.dataset, fix)
        frame.hint(f"Wrote {fix}, which would move {n} pictures. Look at it; then: "
                   f"facefeat doctor {data} --apply {fix}", quiet or as_json)  # fmt: skip

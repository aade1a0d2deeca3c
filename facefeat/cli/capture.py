"""The command that keeps faces from a camera, a video or a stream."""

from pathlib import Path
from typing import Annotated

import typer

from facefeat.cli import frame


@frame.reported
def capture(
    name: Annotated[str, typer.Argument(help="The person: the name of a folder in the data set.")],
    source: Annotated[
        str, typer.Option(help="A camera's number, such as 0, a video file, or a stream such as rtsp://...")
    ],
    count: Annotated[int, typer.Option(min=1, help="Pictures to keep.")] = 100,
    every: Annotated[float, typer.Option(help="Seconds between the frames that are looked at.")] = 0.3,
    data: Annotated[Path, typer.Option(help="The data set: a folder with one subfolder a person.")] = Path("data"),
    faces: Annotated[str, typer.Option(help="How faces are found: auto (mtcnn) or yunet:FILE.onnx.")] = "auto",
    policy: Annotated[
        str, typer.Option(help="Frames with several faces: skip them, or take the largest or most central one.")
    ] = "skip",
    min_pixels: Annotated[float | None, typer.Option(help="Narrower faces do not count; by default 64 pixels.")] = None,
    sharpness: Annotated[
        float | None, typer.Option(help="Less sharp faces are blurred; by default 0.05, 0 keeps all.")
    ] = None,
    likeness: Annotated[
        float | None,
        typer.Option(help="Correlation above which two faces are the same once more; by default 0.95, 1 keeps all."),
    ] = None,
    preview: Annotated[
        bool | None, typer.Option(help="Show the camera in a window; by default where there is a display.")
    ] = None,
    engine: frame.Engine = "auto",
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    debug: frame.Debug = False,
) -> None:
    """Keep faces of one person from a camera, a video or a stream, ready for extract.

    Frames without a sharp, new face are passed over. A second run adds to the first.

    Example: facefeat capture anna --source 0
    """
    from facefeat.curate.capture import capture as run
    from facefeat.curate.capture_judge import rules_of
    from facefeat.data.preview import window
    from facefeat.report import captured

    rules = rules_of(policy=policy, min_pixels=min_pixels, sharpness=sharpness, likeness=likeness)
    with window(source, preview) as show, frame.progress(quiet) as tell:
        made = run(
            name,
            source,
            data=data,
            count=count,
            every=every,
            rules=rules,
            faces_mode=faces,
            engine=engine,
            show=show,
            progress=tell,
        )
    frame.show(lambda: captured.table(made), lambda: captured.document(made), as_json)
    frame.hint(f"Next: facefeat extract {data}", quiet or as_json)

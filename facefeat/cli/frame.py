"""What all commands share: options, progress, output, and errors as one sentence with an exit code."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, ParamSpec

import typer

from facefeat.engines.cores import usable
from facefeat.errors import FacefeatError, StorageError, UsageError

P = ParamSpec("P")
Progress = Callable[[str, int, int], None]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="List everything, however long.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Engine = Annotated[str, typer.Option(help="What runs the network: auto, keras or openvino.")]
Precision = Annotated[str, typer.Option(help="auto, float32, bfloat16, float16 or int8.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Threads and processes to use; by default one a core.")]
Faces = Annotated[
    str, typer.Option(help="How faces are found: auto (mtcnn), yunet:FILE.onnx, or none: the whole picture.")
]
Policy = Annotated[
    str | None, typer.Option(help="Which of several faces: largest, central, require-one (else skip), skip.")
]
Template = Annotated[
    str | None, typer.Option(help="How faces are aligned: box, arcface or dlib; by default as suits the backbone.")
]
Margin = Annotated[float | None, typer.Option(help="Room around a face, as a share of its side.")]
MinScore = Annotated[float | None, typer.Option(help="Faces of which the detector is less sure do not count.")]
MinFace = Annotated[
    float | None, typer.Option(help="Nor do narrower ones, as a share of the picture's longer side; by default 0.04.")
]
DetectorFile = Annotated[
    Path | None, typer.Option("--detector", help="The detector's file, where faces were found with your own.")
]
WeightsFile = Annotated[str | None, typer.Option(help="The weights file, where the vectors were made with your own.")]

RESUME = {
    "capture": "the faces kept so far stay; the same command adds what is new",
    "crop": "the faces that are written are kept; the same command goes on from there",
    "extract": "what is computed is kept; the same command goes on from there",
    "finetune": "the same command goes on from the last finished epoch",
    "demo": "the same command goes on from there",
}


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM)."""


def reported(command: Callable[P, None]) -> Callable[P, None]:
    """Turn errors of a command into one sentence on stderr and an exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        as_json, debug = bool(kwargs.get("as_json")), bool(kwargs.get("debug"))
        previous = signal.signal(signal.SIGTERM, _terminate)
        try:
            _check_paths(kwargs.values())
            command(*args, **kwargs)
        except FacefeatError as error:
            raise typer.Exit(_refuse(error, as_json, debug)) from None
        except KeyboardInterrupt as stop:
            raise typer.Exit(_stopped(command.__name__, stop)) from None
        except BrokenPipeError:
            _mute(sys.stdout)
            raise typer.Exit(0) from None
        except typer.Exit:
            raise
        except Exception as error:
            traceback.print_exc()
            _say(f"facefeat has a bug: {type(error).__name__}. Please report the lines above.")
            raise typer.Exit(1) from None
        finally:
            signal.signal(signal.SIGTERM, previous)

    return wrapped


def _check_paths(values: Iterable[Any]) -> None:
    """Refuse addresses where a path is expected; they may hold a password, and are not repeated."""
    for path in (one for value in values for one in (value if isinstance(value, list | tuple) else [value])):
        if isinstance(path, Path) and re.match("[a-z][a-z0-9+.-]+:/", str(path), re.IGNORECASE) and not path.exists():
            raise UsageError(
                "An address is taken as DATA of facefeat extract only; give a file or folder of this computer here."
            )


def show(result: Callable[[], Any], document: Callable[[], dict[str, Any]], as_json: bool) -> None:
    """Print a result on stdout: as one JSON document, or as text for people."""
    if as_json:
        _out(json.dumps(document(), ensure_ascii=False, indent=1, allow_nan=False) + "\n")
        return
    from rich.console import Console

    text, is_terminal = StringIO(), sys.stdout is not None and sys.stdout.isatty()
    Console(file=text, width=_width(sys.stdout), highlight=False, force_terminal=is_terminal).print(result())
    _out(_trimmed(text.getvalue()))


def write(path: Path, result: Callable[[], Any], document: Callable[[], dict[str, Any]]) -> None:
    """Write a result to a file: JSON or a picture where its name ends in .json or .svg, else text of 100 columns."""
    from facefeat.features.store import durable

    if path.suffix.lower() == ".json":
        text = json.dumps(document(), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    else:
        text = _on_paper(result(), path)
    durable.write(path, text.encode())


def write_page(path: Path, page: str, quiet: bool) -> None:
    """Write a page, and say where."""
    from facefeat.features.store import durable

    durable.write(path, page.encode("utf-8", "replace"))
    hint(f"Wrote {path}", quiet)


def _on_paper(result: Any, path: Path) -> str:
    from rich.console import Console

    console = Console(file=StringIO(), width=100, highlight=False, record=True)
    console.print(result)
    if path.suffix.lower() != ".svg":
        return _trimmed(console.export_text())
    picture = console.export_svg(title=path.stem, unique_id="report")
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # nothing is fetched to show it


def _trimmed(text: str) -> str:
    """Cut the blanks that fill lines up to the width."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def hint(text: str, quiet: bool) -> None:
    """Say on stderr what to type next."""
    if not quiet:
        _say(text)


@contextmanager
def progress(quiet: bool) -> Iterator[Progress]:
    """Show on stderr what is being done, how far it is, and how long it will take.

    Where stderr is no terminal, messages are lines and bars are left out.
    """
    if quiet:
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True, width=_width(sys.stderr), highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("", total=None, visible=False)

        def tell(what: str, done: int, total: int) -> None:
            if total:
                if done < bars.tasks[0].completed or bars.tasks[0].total != total:
                    bars.reset(task, total=total)  # another stretch of work has its own time left
                bars.update(task, description=what, completed=done, visible=True)
            else:
                console.print(f"{what}.", style="dim", markup=False)

        yield tell


def cores(workers: int | None) -> int:
    """Return how many workers to use: those asked for, or one for each core this process may use."""
    return workers or usable()


def names(text: str | None) -> list[str] | None:
    """Split a list with commas; ``None`` for nothing and for ``all``."""
    return None if text in (None, "all") else [name.strip() for name in str(text).split(",") if name.strip()]


def _refuse(error: FacefeatError, as_json: bool, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    if as_json:
        document = {
            "schema": "facefeat/error/1",
            "error": type(error).__name__,
            "message": str(error),
            "exit_code": error.exit_code,
        }
        _out(json.dumps(document, ensure_ascii=False) + "\n")
    _say(str(error))
    return error.exit_code


def _stopped(command: str, stop: KeyboardInterrupt) -> int:
    _say("Stopped" + (f"; {RESUME[command]}." if command in RESUME else "."))
    return 143 if isinstance(stop, Terminated) else 130


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _say(text: str) -> None:
    """Write a line on stderr, with control characters made harmless."""
    from facefeat.data.folder import printable

    _put(sys.stderr, printable(text) + "\n")


def _out(text: str) -> None:
    _put(sys.stdout, text)


def _put(stream: Any, text: str) -> None:
    """Write text; what the stream's encoding does not have, such as bytes of a name that are no UTF-8, becomes "?"."""
    if stream is None:
        return  # the program was started without it
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritten(stream, error) from error


def unwritten(stream: Any, error: OSError) -> StorageError:
    """Build the error for a stream that cannot be written, and let what is left for it go nowhere."""
    _mute(stream)
    return StorageError(f"The output cannot be written: {error.strerror}.")


def _mute(stream: Any) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _width(stream: Any) -> int:
    """Return the terminal's width, at most 100; 100 where it is no terminal."""
    import shutil

    is_terminal = stream is not None and stream.isatty()
    return min(shutil.get_terminal_size((100, 24)).columns, 100) if is_terminal else 100

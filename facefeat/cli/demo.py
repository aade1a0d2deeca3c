"""The command that shows all of it, by running the other commands as a user would type them."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from facefeat.cli import frame


@frame.reported
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put everything.")] = Path("facefeat-demo"),
    as_json: frame.AsJson = False,
    quiet: frame.Quiet = False,
    debug: frame.Debug = False,
) -> None:
    """Run everything on the ORL faces: extract, compare, fit, evaluate, predict.

    36 people are known, 4 are strangers. The commands are printed as you would type them.

    Example: facefeat demo
    """
    from facefeat.data.samples import write_orl

    samples = write_orl(folder)
    features, model, report = folder / "features.h5", folder / "model.facefeat", folder / "report.txt"
    page, annotated = folder / "report.html", folder / "annotated"
    steps: list[tuple[str, list[object]]] = [
        ("36 people, 8 pictures each, become vectors.", ["extract", samples.people, "-o", features]),
        ("Which head is best on them?", ["compare", features, "--folds", 8, "--html", page, "--report", report]),
        ("The best one is trained, and learns where strangers begin.", ["fit", features, "-o", model]),
        ("Other pictures of the same people, and of 4 strangers.", ["evaluate", model, samples.held_out]),
        ("Somebody known, a stranger, and a group.", ["predict", model, *samples.probes, "--annotate", annotated]),
    ]
    documents = [_run(title, [str(word) for word in words], as_json, quiet) for title, words in steps]
    if as_json:
        paths = {
            "folder": folder,
            "features": features,
            "model": model,
            "report": report,
            "page": page,
            "annotated": annotated,
        }
        document = {"schema": "facefeat/demo/1", **{name: str(path) for name, path in paths.items()}}
        sys.stdout.write(json.dumps({**document, "steps": documents}, ensure_ascii=False, indent=1) + "\n")
    frame.hint(f"All of it is in {folder}: the report, the model, and the photographs with names.", quiet)


def _run(title: str, words: list[str], as_json: bool, quiet: bool) -> dict[str, Any] | None:
    """Run one command in a process of its own; leave with its exit code if it fails."""
    if not as_json:
        _announce(title, "facefeat " + shlex.join(words))
    options = ["--json", "--quiet"] if as_json else ["--quiet"] if quiet else []
    command = [sys.executable, "-m", "facefeat", *words, *options]
    done = subprocess.run(command, stdout=subprocess.PIPE if as_json else None, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode)
    return {"command": shlex.join(words), "result": json.loads(done.stdout)} if as_json else None


def _announce(title: str, command: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text.assemble("\n", (title, "bold"), "\n", ("$ ", "dim"), (command, "bold cyan")), soft_wrap=True)
    sys.stdout.flush()

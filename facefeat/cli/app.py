"""The command line."""

import sys
from types import ModuleType
from typing import Annotated

import typer

from facefeat.cli import files, frame, look, make, people, use
from facefeat.cli.capture import capture
from facefeat.cli.crop import crop
from facefeat.cli.demo import demo
from facefeat.cli.doctor import doctor
from facefeat.cli.export import export
from facefeat.cli.finetune import finetune
from facefeat.cli.howmany import howmany
from facefeat.cli.match import match
from facefeat.cli.serve import serve
from facefeat.cli.weights import app as weights

app = typer.Typer(
    name="facefeat",
    help="From a folder of photographs, one folder a person, to a recogniser you can trust.",
    epilog="Start with: facefeat extract data/  then: facefeat compare  and: facefeat fit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    make.extract, make.compare, howmany, make.fit, finetune, use.evaluate, use.predict, serve, match,
    people.add, people.forget, people.rename, people.people, look.info, look.check, files.merge, files.prune,
    look.heads, look.backbones, export, crop, capture, doctor, demo,
):  # fmt: skip
    app.command()(command)
app.add_typer(weights, name="weights")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"facefeat {version('facefeat')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """From a folder of photographs, one folder a person, to a recogniser you can trust."""


def main() -> None:
    """Run the command line."""
    _leave_out()
    try:
        app()
    except OSError as error:  # from the pages of help; commands catch their own
        failed = frame.unwritten(sys.stdout, error)
        frame.hint(str(failed), quiet=False)
        sys.exit(failed.exit_code)


def _leave_out() -> None:
    """Keep typer's help from importing what writes Markdown and tracebacks: it would take as long as all the rest.

    The help of facefeat is not in Markdown, and its errors are sentences; typer imports both all the same.
    """
    for name, held in (("rich.markdown", "Markdown"), ("rich.traceback", "Traceback")):
        module = ModuleType(name)
        setattr(module, held, type(held, (), {}))
        sys.modules.setdefault(name, module)

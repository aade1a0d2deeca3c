"""The documents say what the program does."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import skops.io
from typer.testing import CliRunner

from facefeat.cli.app import app
from facefeat.data import picture, pixels
from facefeat.features.store import columns
from facefeat.learn import bundle
from tests.heads.test_contract import toy

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
COMMANDS = {command.callback.__name__ for command in app.registered_commands if command.callback}


def lines_of(page: Path) -> list[str]:
    """Return the lines of a page that show a command being typed."""
    shown = re.findall(r"^    (?:\$ )?(facefeat .*)$|^\$ (facefeat .*)$", page.read_text(), flags=re.MULTILINE)
    return [one or other for one, other in shown]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_that_is_shown_exists(page: Path) -> None:
    for line in lines_of(page):
        name = line.split()[1]
        assert name in COMMANDS, line
        text = CliRunner().invoke(app, [name, "--help"]).stdout
        for option in re.findall(r"(?<= )--[a-z-]+", line):
            assert option in text, line


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_is_in_the_readme_or_the_docs(name: str) -> None:
    assert any(f"facefeat {name}" in page.read_text() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_security_page_knows_every_refusal() -> None:
    text = (ROOT / "docs/security.md").read_text()
    assert [code for code in picture.CODES if f"`{code}`" not in text] == []
    assert [kind for kind in pixels.FORMATS if kind not in text.upper()] == []


def test_the_format_page_knows_every_column_and_member() -> None:
    text = (ROOT / "docs/file-formats.md").read_text()
    assert [name for name in columns.ROW if name not in text] == []
    assert [name for name in bundle.MEMBERS if name not in text] == []


def test_the_head_of_the_docs_works() -> None:
    page = (ROOT / "docs/adding-a-head.md").read_text()
    source = next(block for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "def build" in block)
    module = ModuleType("facefeat.heads.gnb")
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, "gnb.py", "exec"), module.__dict__)
        X, y = toy()
        fitted = module.build().fit(X, y)
        again = skops.io.loads(skops.io.dumps(fitted), trusted=list(module.TRUSTED))
        assert np.mean(again.predict(X) == y) >= 0.9
    finally:
        del sys.modules[module.__name__]


def test_the_picture_of_the_report_fetches_nothing() -> None:
    picture_of_it = (ROOT / "docs/report.svg").read_text()
    assert "url(http" not in picture_of_it and "@import" not in picture_of_it

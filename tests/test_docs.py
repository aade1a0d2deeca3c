"""The documents say what the program does."""

from __future__ import annotations

import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import skops.io
from typer.testing import CliRunner

from facefeat import plugins
from facefeat.cli.app import app
from facefeat.data import picture, pixels
from facefeat.engines.keras import import_keras
from facefeat.errors import UsageError
from facefeat.features.encode import plan
from facefeat.features.store import columns
from facefeat.features.store.file import read
from facefeat.learn import bundle
from tests.heads.test_contract import toy
from tests.making import write_people

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
COMMANDS = {command.callback.__name__ for command in app.registered_commands if command.callback}
GROUPS = {
    group.name: {command.name or command.callback.__name__ for command in group.typer_instance.registered_commands}
    for group in app.registered_groups
}


def lines_of(page: Path) -> list[str]:
    """Return the lines of a page that show a command being typed."""
    shown = re.findall(r"^    (?:\$ )?(facefeat .*)$|^\$ (facefeat .*)$", page.read_text(), flags=re.MULTILINE)
    return [one or other for one, other in shown]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_that_is_shown_exists(page: Path) -> None:
    for line in lines_of(page):
        name, *rest = line.split()[1:]
        assert name in COMMANDS or rest[0] in GROUPS[name], line
        text = CliRunner().invoke(app, [name, *([] if name in COMMANDS else rest[:1]), "--help"]).stdout
        for option in re.findall(r"(?<= )--[a-z-]+", line):
            assert option in text, line


@pytest.mark.parametrize(
    "name", sorted(COMMANDS | {f"{group} {one}" for group, ones in GROUPS.items() for one in ones})
)
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
        exec(next(block for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "def in_layers" in block),
             module.__dict__)  # fmt: skip
        in_layers = module.in_layers(fitted[-1], import_keras().ops.convert_to_tensor(fitted[:-1].transform(X)))
        np.testing.assert_allclose(np.asarray(in_layers), fitted.decision_function(X), rtol=1e-4)
        again = skops.io.loads(skops.io.dumps(fitted), trusted=list(module.TRUSTED))
        assert np.mean(again.predict(X) == y) >= 0.9
    finally:
        del sys.modules[module.__name__]


def test_the_backbone_of_the_docs_works(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/adding-a-backbone.md").read_text()
    source = next(block for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) if "def build" in block)
    (tmp_path / "facefeat_gabor.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    point = EntryPoint("gabor", "facefeat_gabor", "facefeat.backbones")
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == point.group else [])
    plugins._others.cache_clear()
    try:
        data, output = write_people(tmp_path / "people", {"ada": 4, "bob": 4, "cleo": 4}), tmp_path / "features.h5"
        words = [
            "extract",
            str(data),
            "-o",
            str(output),
            "--backbone",
            "gabor",
            "--faces",
            "none",
            "--engine",
            "openvino",
        ]
        assert CliRunner().invoke(app, words).exit_code == 0
        assert "gabor" in CliRunner().invoke(app, ["backbones"]).stdout
        file = read(output)
        assert (file.layers, file.vectors("cells8").shape) == (("cells8", "cells4"), (12, 8 * 8 * 24))
        for layer in file.layers:
            X = file.vectors(layer) - file.vectors(layer).mean(axis=0)
            cosines = X @ X.T / np.outer(*[np.linalg.norm(X, axis=1)] * 2) - 2 * np.eye(len(X))
            assert (file.person[cosines.argmax(axis=1)] == file.person).all()
        network = sys.modules["facefeat_gabor"]
        even_light = np.full((1, 64, 64, 3), 200, np.float32)
        made = plan("gabor", layers=["cells8"], pooling="flatten", faces_mode="none")
        strength = np.asarray(network.build(made.recipe, made.weights.read())(even_light)).reshape(8, 8, 24)
        assert strength[2:6, 2:6].max() < 0.01 < 1 < strength.max()  # but for the face's edges
        with pytest.raises(UsageError, match="computes its weights"):
            plan("gabor", weights="w.npz")
    finally:
        plugins._others.cache_clear()
        sys.modules.pop("facefeat_gabor", None)


def test_the_picture_of_the_report_fetches_nothing() -> None:
    picture_of_it = (ROOT / "docs/report.svg").read_text()
    assert "url(http" not in picture_of_it and "@import" not in picture_of_it

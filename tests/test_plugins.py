from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from facefeat import plugins
from facefeat.errors import UsageError
from tests.making import run_python


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, EntryPoint]]:
    """Let another package bring plug-ins: fill the dictionary before the first call."""
    found: dict[str, EntryPoint] = {}
    monkeypatch.setattr(plugins, "entry_points", lambda group: list(found.values()))
    plugins._others.cache_clear()
    yield found
    plugins._others.cache_clear()


def test_own_plug_ins_are_the_files_of_a_folder() -> None:
    assert {"thumb", "vgg16"} <= set(plugins.names("backbone"))
    assert {"svm", "dense"} <= set(plugins.names("head"))
    assert not any(name.startswith("_") for kind in plugins.PACKAGES for name in plugins.names(kind))


@pytest.mark.parametrize("kind", plugins.PACKAGES)
def test_names_are_sorted(kind: str) -> None:
    assert list(plugins.names(kind)) == sorted(plugins.names(kind))


def test_listing_imports_no_plug_in() -> None:
    code = (
        "import sys\nfrom facefeat import plugins\n"
        "for kind in plugins.PACKAGES: plugins.names(kind)\n"
        "print([m for m in sys.modules if m.startswith(tuple(p + '.' for p in plugins.PACKAGES.values()))])\n"
        "print([m for m in ('tensorflow', 'keras', 'sklearn', 'numpy', 'h5py') if m in sys.modules])"
    )
    assert run_python(code) == "[]\n[]\n"


def test_load_imports_the_file_of_that_name() -> None:
    assert plugins.load("backbone", "thumb").__name__ == "facefeat.features.backbones.thumb"


def test_a_mistyped_name_gets_a_suggestion() -> None:
    known = ", ".join(plugins.names("backbone"))
    with pytest.raises(UsageError) as caught:
        plugins.load("backbone", "tumb")
    assert str(caught.value) == f"There is no backbone 'tumb'; did you mean 'thumb'? There are: {known}."


def test_another_package_brings_a_plug_in_that_is_imported_only_when_used(
    others: dict[str, EntryPoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    others["resnet"] = EntryPoint("resnet", "some_faces.resnet", "facefeat.backbones")
    assert "resnet" in plugins.names("backbone")
    module = ModuleType("some_faces.resnet")
    monkeypatch.setitem(sys.modules, "some_faces", ModuleType("some_faces"))
    monkeypatch.setitem(sys.modules, "some_faces.resnet", module)
    assert plugins.load("backbone", "resnet") is module


def test_another_package_does_not_take_an_own_name(others: dict[str, EntryPoint]) -> None:
    others["thumb"] = EntryPoint("thumb", "some_faces.thumb", "facefeat.backbones")
    assert plugins.names("backbone").count("thumb") == 1
    assert plugins.load("backbone", "thumb").__name__ == "facefeat.features.backbones.thumb"

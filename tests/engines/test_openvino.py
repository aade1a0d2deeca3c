from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from facefeat.engines import openvino as engine_module
from facefeat.engines.network import Engine, Network
from facefeat.engines.openvino import OpenVINOEngine, cache_folder, exported
from facefeat.errors import StorageError
from tests.engines import tiny
from tests.making import random_pixels, run_python

INPUTS = np.stack([random_pixels(8, 8, seed) for seed in range(6)])


@pytest.fixture
def copy(cache: Path) -> Path:
    """Give the folder of the tiny network's exported copy, whole."""
    return exported(tiny.network())


def test_a_network_computes_what_it_says(engine: Engine) -> None:
    for got, wanted in zip(engine.load(tiny.network())(INPUTS), tiny.expected(INPUTS), strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_an_exact_network_is_float32_on_any_engine() -> None:
    _, mean = OpenVINOEngine("auto").load(tiny.network(exact=True))(INPUTS)
    np.testing.assert_allclose(mean, tiny.expected(INPUTS)[1], rtol=1e-5)


def test_results_are_copies_that_later_runs_leave_alone(engine: Engine) -> None:
    run = engine.load(tiny.network())
    first = run(INPUTS[:4])[1]
    kept = first.copy()
    run(255 - INPUTS[:4])
    np.testing.assert_array_equal(first, kept)


def test_the_exported_copy_is_used_again(copy: Path, cache: Path) -> None:
    assert copy == cache / "networks" / f"tiny-{tiny.network().key[:16]}"
    assert exported(tiny.network(builds=False)) == copy
    assert sorted(path.name for path in copy.iterdir()) == ["model.bin", "model.xml", "sha256.json"]
    assert not list(copy.parent.glob(".*"))


@pytest.mark.parametrize("kind", ["flipped", "cut", "missing", "no digests", "nonsense digests"])
def test_a_damaged_copy_is_made_again(copy: Path, kind: str) -> None:
    weights, digests = copy / "model.bin", copy / "sha256.json"
    good = weights.read_bytes()
    match kind:
        case "flipped":
            weights.write_bytes(bytes([good[0] ^ 1]) + good[1:])
        case "cut":
            weights.write_bytes(good[:-1])
        case "missing":
            (copy / "model.xml").unlink()
        case "no digests":
            digests.unlink()
        case _:
            digests.write_text("[1, 2")
    assert exported(tiny.network()) == copy
    assert weights.read_bytes() == good
    assert exported(tiny.network(builds=False)) == copy


def test_a_fresh_interpreter_needs_neither_tensorflow_nor_keras(copy: Path) -> None:
    code = """
import json, sys
import numpy as np
from facefeat.engines.choose import choose
from tests.engines import tiny
run = choose("openvino", "float32").load(tiny.network(builds=False))
mean = run(np.full((1, 8, 8, 3), 10, np.uint8))[1]
print(json.dumps([mean.tolist(), [m for m in ("tensorflow", "keras") if m in sys.modules]]))
"""
    mean, heavy = json.loads(run_python(code))
    np.testing.assert_allclose(mean, [[9, 12]], rtol=1e-5)
    assert heavy == []


@pytest.mark.parametrize(("threads", "cores", "bound"), [(1, 2, False), (2, 2, True), (None, 2, True)])
def test_a_process_of_few_threads_is_bound_to_no_core(
    copy: Path, monkeypatch: pytest.MonkeyPatch, threads: int | None, cores: int, bound: bool
) -> None:
    # Several on one machine, as a cluster's, would now and then all be bound to its first core.
    core, made = engine_module._core(), []

    class Noting:
        def read_model(self, path: str) -> Any:
            return core.read_model(path)

        def compile_model(self, *given: Any) -> Any:
            made.append(core.compile_model(*given))
            return made[-1]

    engine = OpenVINOEngine("float32", threads=threads)
    monkeypatch.setattr(engine_module, "_core", Noting)
    monkeypatch.setattr(engine_module, "usable", lambda: cores)
    np.testing.assert_allclose(engine.load(tiny.network())(INPUTS)[1], tiny.expected(INPUTS)[1], rtol=1e-5)
    assert made[0].get_property("ENABLE_CPU_PINNING") is bound


def test_exporting_writes_nothing_on_the_screen(capfd: pytest.CaptureFixture[str]) -> None:
    exported(tiny.network("quiet"))
    assert capfd.readouterr() == ("", "")


def test_a_cache_folder_that_cannot_be_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FACEFEAT_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(StorageError) as caught:
        exported(tiny.network(builds=False))
    assert str(caught.value) == (
        f"The cache folder {tmp_path / 'file' / 'networks'} cannot be written (Not a directory); "
        "set FACEFEAT_CACHE_DIR to a folder that can."
    )


def test_a_disk_that_fills_up_while_exporting_is_a_storage_error(cache: Path) -> None:
    def export(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    full = Network("full", "0" * 64, lambda: SimpleNamespace(export=export), (8, 8, 3))
    with pytest.raises(StorageError):
        exported(full)
    assert not list((cache / "networks").glob("*full*"))


def test_a_full_disk_is_said_whatever_the_exporter_calls_it(cache: Path) -> None:
    def build() -> None:
        raise RuntimeError("basic_ios::clear: iostream error")

    network = replace(tiny.network("spilling"), build=build)
    with pytest.raises(StorageError) as caught:
        exported(network)
    assert str(caught.value) == (
        f"The network cannot be written to {cache / 'networks'}; free some space there, or set FACEFEAT_CACHE_DIR to "
        "another folder."
    )
    assert not list((cache / "networks").glob("*spilling*"))


def test_whoever_exports_first_wins(copy: Path, tmp_path: Path) -> None:
    before = (copy / "sha256.json").stat().st_mtime_ns
    beside = copy.parent / ".other"
    beside.mkdir()
    (beside / "model.xml").write_text("of a slower process")
    engine_module._take_place(beside, copy)
    assert (copy / "sha256.json").stat().st_mtime_ns == before
    assert exported(tiny.network(builds=False)) == copy
    (beside / "model.xml").unlink()
    beside.rmdir()


def test_the_cache_folder_is_the_users_unless_chosen(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("FACEFEAT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "xdg"))
    assert cache_folder().name == "facefeat"

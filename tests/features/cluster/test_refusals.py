"""What cannot go well is said in one sentence, before any picture is computed."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from facefeat.cli.app import app
from facefeat.errors import DamagedFile, FacefeatError, InputError, MissingExtra, StorageError, UsageError
from facefeat.features import backbone as backbones
from facefeat.features.cluster import nodes
from facefeat.features.cluster.connect import address_of
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.shards import work_folder
from tests.features.cluster.conftest import Cluster
from tests.networks import random_tensors

TOY = plan("thumb", faces_mode="none")
NODE = r"The node [\d.]+ \(\w{6}\)"


def refusal(kind: type[FacefeatError], data: Path, output: Path, cluster: str, made: Any = TOY, **options: Any) -> str:
    """Return the sentence; nothing was written."""
    with pytest.raises(kind) as caught:
        extract(data, output, made, cluster=cluster, **options)
    assert type(caught.value) is kind
    assert not output.exists() and not work_folder(output).exists()
    return str(caught.value)


def test_ray_is_missing(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    said = refusal(MissingExtra, people, tmp_path / "f.h5", "ray")
    assert said == "--cluster needs the extra 'cluster'; install it with: pip install 'facefeat[cluster]'"
    options = ["extract", str(people), "-o", str(tmp_path / "f.h5"), "--backbone", "thumb", "--cluster", "ray"]
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 7 and said in " ".join(done.stderr.split())


@pytest.mark.parametrize("cluster", ["dask", "ray:", "ray:host", "ray:host:x", "ray:host:70000", "ray:ray://h:1"])
def test_what_is_no_cluster(cluster: str) -> None:
    if cluster == "ray:":  # the same as none
        assert address_of(cluster) is None
        return
    with pytest.raises(UsageError) as caught:
        address_of(cluster)
    assert str(caught.value) == (
        f"--cluster takes ray, or ray:HOST:PORT of a cluster's head, such as ray:10.0.0.1:6379; '{cluster}' was given."
    )


def test_nobody_answers(people: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]  # nobody listens there
        said = refusal(UsageError, people, tmp_path / "f.h5", f"ray:127.0.0.1:{port}")
    assert said == f"No cluster answers at 127.0.0.1:{port} (Connection refused); start one with: ray start --head"


def test_no_cluster_runs_here(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")

    def init(**_: Any) -> None:
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", init)
    assert refusal(UsageError, people, tmp_path / "f.h5", "ray") == (
        "No Ray cluster runs on this machine; start one with: ray start --head, or give the address of one: "
        "--cluster ray:HOST:PORT"
    )


def test_a_node_with_another_facefeat(
    people: Path, tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "version", lambda name: "9.9.9")
    said = refusal(UsageError, people, tmp_path / "f.h5", cluster.address)
    there = re.escape(version("facefeat"))
    assert re.fullmatch(f"{NODE} has facefeat {there}, and this is 9.9.9; install the same everywhere.", said)


def test_other_weights(people: Path, tmp_path: Path, cluster: Cluster) -> None:
    weights, shapes = tmp_path / "w.npz", backbones.get("mobilenet").shapes()  # type: ignore[attr-defined]
    np.savez(weights, **random_tensors(shapes, 0))
    made = plan("mobilenet", size=32, faces_mode="none", weights=str(weights))
    np.savez(weights, **random_tensors(shapes, 1))  # as another node's file may be
    said = refusal(DamagedFile, people, tmp_path / "f.h5", cluster.address, made)
    hashes = r"\(SHA-256 \w{12}\) are not those of the recipe \(\w{12}\)"
    assert re.fullmatch(rf"The weights found {hashes} \(on the node [\d.]+ \(\w{{6}}\)\).", said)


@pytest.fixture
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Give addresses that are this folder to this process, and another to every other."""
    if not Path("/proc/self/cwd").exists():
        pytest.skip("there is no /proc here")
    monkeypatch.chdir(tmp_path)
    return lambda name: Path("/proc/self/cwd") / name


def test_a_shared_folder_that_is_not(
    people: Path, tmp_path: Path, cluster: Cluster, own_place: Callable[[str], Path]
) -> None:
    output = own_place("f.h5")
    said = refusal(StorageError, people, output, cluster.address, shards="shared")
    assert re.fullmatch(
        rf"{NODE} does not see /proc/self/cwd/f\.h5\.work; write to a folder that all nodes share, or leave --shards out "
        r"to have shards returned\.", said,
    )  # fmt: skip
    here = extract(people, tmp_path / "here.h5", TOY).file.path.read_bytes()
    assert extract(people, output, TOY, cluster=cluster.address).file.path.read_bytes() == here


def test_pictures_that_nodes_do_not_see(
    people: Path, tmp_path: Path, cluster: Cluster, own_place: Callable[[str], Path]
) -> None:
    said = refusal(InputError, own_place("people"), tmp_path / "f.h5", cluster.address)
    assert re.fullmatch(
        rf"{NODE} does not see /proc/self/cwd/people as it is here \(ada/01\.png is missing or another\); every node needs "
        r"the pictures under the same path\.", said,
    )  # fmt: skip


def test_a_way_of_shards_that_there_is_not(people: Path, tmp_path: Path, cluster: Cluster) -> None:
    said = refusal(UsageError, people, tmp_path / "f.h5", cluster.address, shards="share")
    assert "'share'" in said and "shared" in said

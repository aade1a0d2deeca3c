"""facefeat weights list, fetch and check: every line, every exit code."""

from __future__ import annotations

import functools
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from facefeat import plugins
from facefeat.features.backbones import mobilenet, vgg16
from facefeat.features.official import Official
from tests.cli.test_commands import refused, run
from tests.making import run_python
from tests.networks import random_tensors, weights_for


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a cache folder of its own."""
    monkeypatch.setenv("FACEFEAT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "weights"


def document(*words: object) -> dict[str, object]:
    import json

    found = run("weights", *words, "--json")
    assert found.exit_code == 0, found.stderr
    parsed: dict[str, object] = json.loads(found.stdout)
    assert parsed["schema"] == f"facefeat/weights-{words[0]}/1"
    return parsed


def test_every_command_has_help_with_an_example() -> None:
    for name in ("list", "fetch", "check"):
        assert f"Example: facefeat weights {name}" in run("weights", name, "--help").stdout


def test_list_has_every_name_of_every_backbone(folder: Path) -> None:
    listed = document("list")["weights"]
    assert isinstance(listed, list)
    found = {(one["backbone"], one["name"]): one for one in listed}
    assert {backbone for backbone, _ in found} == set(plugins.names("backbone"))
    assert found["vgg16", "imagenet"]["state"] == "carried" and found["thumb", "none"]["state"] == "none"
    official = vgg16.OFFICIAL["keras"]
    assert found["vgg16", "keras"] == {
        "backbone": "vgg16", "name": "keras", "state": "to fetch",
        "licence": "Visual Geometry Group, University of Oxford, CC BY 4.0",
        "url": official.url, "bytes": 58_889_256, "md5": official.md5, "path": str(folder / official.name),
    }  # fmt: skip
    shown = " ".join(run("weights", "list").stdout.split())
    assert "keras: to be fetched; Kaiming He, MIT 95 MB, MD5 4d473c1dd8becc155b73f8504c6f6626" in shown
    assert "9 MB, no hash is published" in shown and "thumb has no weights" in shown


def test_fetch_and_then_extract_finds_it(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "www").mkdir()
    np.savez(tmp_path / "www" / "m.npz", **random_tensors(mobilenet.shapes()))  # type: ignore[arg-type]
    data = (tmp_path / "www" / "m.npz").read_bytes()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=tmp_path / "www")) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/m.npz"
        official = Official(url, len(data), hashlib.md5(data).hexdigest())
        monkeypatch.setitem(mobilenet.OFFICIAL, "keras", official)
        found = run("weights", "fetch", "mobilenet")
        server.shutdown()
        thread.join()
    assert found.exit_code == 0
    assert found.stderr == "Next: facefeat extract DATA --backbone mobilenet --weights keras\n"
    lines = [" ".join(line.split()) for line in found.stdout.splitlines()]
    assert lines[:2] == ["weights keras of mobilenet", "licence Google, Apache 2.0"]
    assert document("fetch", "mobilenet")["state"] == "here"  # without the server
    assert (folder / "m.npz").read_bytes() == data
    assert mobilenet.weights().name == "keras"


def test_what_cannot_be_fetched_is_said() -> None:
    assert refused(2, "weights", "fetch", "thumb") == "The backbone thumb has nothing to fetch."
    assert refused(2, "weights", "fetch", "vgg16", "--name", "imagenet") == (
        "The weights 'imagenet' of vgg16 come with the package; there is nothing to fetch."
    )
    assert refused(2, "weights", "fetch", "vgg16", "--name", "kears").startswith(
        "There is no name of weights 'kears'; did you mean 'keras'?"
    )
    assert refused(2, "weights", "fetch", "vg19").startswith("There is no backbone 'vg19'; did you mean 'vgg19'?")


def test_a_fetch_without_a_network_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    official = Official("http://127.0.0.1:1/w.h5", 9_000_000, "0" * 32)
    monkeypatch.setitem(mobilenet.OFFICIAL, "keras", official)
    sentence = (
        f"http://127.0.0.1:1/w.h5 (9 MB, MD5 {'0' * 32}) cannot be downloaded: connection refused. "
        f"Fetch it elsewhere and put it at {folder / 'w.h5'}, or give it as --weights FILE."
    )
    assert refused(6, "weights", "fetch", "mobilenet") == sentence
    assert refused(6, "extract", folder.parent, "--backbone", "mobilenet") == sentence


def test_check_says_what_a_file_is(cache: Path, tmp_path: Path) -> None:
    path = weights_for("mobilenet", cache)
    found = document("check", path, "--backbone", "mobilenet")
    assert (found["layout"], found["tensors"], found["numbers"]) == (".npz, tensors by name", 260, 2_257_984)
    assert found["sha256"] == mobilenet.weights(str(path)).sha256 and found["published"] is None
    shown = run("weights", "check", path, "--backbone", "mobilenet")
    assert "260 of mobilenet, 2,257,984 numbers, all finite" in shown.stdout
    assert shown.stderr == f"Next: facefeat extract DATA --backbone mobilenet --weights {path}\n"
    assert refused(4, "weights", "check", path, "--backbone", "vgg19") == (
        f"{path} has no tensor block1_conv1/kernel: it is of another network."
    )
    assert refused(3, "weights", "check", tmp_path / "no.h5") == f"There is no weights file {tmp_path / 'no.h5'}."


def test_check_knows_the_carried_weights_and_vggfaces_names(tmp_path: Path) -> None:
    carried = Path(vgg16.__file__).with_name(vgg16.CARRIED)
    assert document("check", carried)["published"] == "imagenet"
    names = {theirs: ours for theirs, ours in vgg16.VGGFACE.items()}
    tensors = random_tensors(vgg16.shapes())
    path = tmp_path / "face.npz"
    np.savez(path, **{f"{t}/{part}": tensors[f"{o}/{part}"] for t, o in names.items() for part in ("kernel", "bias")})
    assert document("check", path)["preprocess"] == "vggface"
    assert run("weights", "check", path).stderr.endswith(f"--weights {path} --preprocess vggface\n")
    assert "--preprocess vggface" in refused(2, "extract", tmp_path, "--weights", path)


def test_nothing_about_weights_imports_keras(cache: Path) -> None:
    path = weights_for("mobilenet", cache)
    code = f"""
import sys
from facefeat.cli.app import app
for words in (["list"], ["check", {path!r}, "--backbone", "mobilenet", "-q"]):
    app(["weights", *words], standalone_mode=False)
print([name for name in ("keras", "tensorflow", "sklearn") if name in sys.modules])
"""
    assert run_python(code).splitlines()[-1] == "[]"

"""Published weights are fetched whole or not at all; a server on this machine stands for the publisher."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from facefeat.errors import DamagedFile, StorageError
from facefeat.features import official as module
from facefeat.features.backbones import vgg16, vgg19
from facefeat.features.official import Official, fetch, find, is_here
from facefeat.features.weights import digest

SHAPES = {"a/kernel": (3, 3, 3, 16), "a/bias": (16,)}
TENSORS = {name: np.arange(np.prod(shape), dtype=np.float32).reshape(shape) for name, shape in SHAPES.items()}


class Publisher(BaseHTTPRequestHandler):
    """Answers with the file, or as its path says, wrongly."""

    data = b""
    waiting = threading.Event()

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind == "missing":
            self.send_error(404)
            return
        if kind in ("away", "moved"):
            self.send_response(302)
            self.send_header(
                "Location", self.path.replace("moved", "good") if kind == "moved" else "http://example.org/w"
            )
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        data = {"cut": self.data[:700], "silent": self.data[:700], "other": bytes(len(self.data))}.get(kind, self.data)
        self.wfile.write(data)
        if kind == "silent":
            self.wfile.flush()
            self.waiting.wait(5)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def publisher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a file of weights on this machine; give the server's address."""
    path = tmp_path_factory.mktemp("published") / "w.npz"
    np.savez(path, **TENSORS)  # type: ignore[arg-type]
    Publisher.data = path.read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), Publisher) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Publisher.waiting.set()
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a cache folder of its own, and no proxy."""
    monkeypatch.setenv("FACEFEAT_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "weights"


def published(publisher: str, kind: str = "good", sha256: str = "") -> Official:
    data = Publisher.data
    return Official(f"{publisher}/{kind}/w.npz", len(data), hashlib.md5(data).hexdigest(), sha256)


@pytest.mark.parametrize("kind", ["good", "moved"])
def test_it_is_fetched_once(publisher: str, kind: str, empty_cache: Path) -> None:
    told: list[tuple[str, int, int]] = []
    official = published(publisher, kind)
    assert not is_here(official)
    path = fetch(official, lambda *one: told.append(one))
    assert path == empty_cache / "w.npz" and path.read_bytes() == Publisher.data and is_here(official)
    assert told[-1] == ("fetching w.npz, MB", 0, 1)
    assert [one.name for one in empty_cache.iterdir()] == ["w.npz"]
    told.clear()
    assert fetch(official, lambda *one: told.append(one)) == path and told == []


def test_named_weights_are_those_of_the_published_file(publisher: str) -> None:
    found = find("keras", {"keras": published(publisher, sha256=digest(TENSORS.values()))}, SHAPES)
    assert (found.name, found.sha256) == ("keras", digest(TENSORS.values()))
    np.testing.assert_array_equal(found.read()["a/kernel"], TENSORS["a/kernel"])
    official = published(publisher, sha256="0" * 64)
    with pytest.raises(DamagedFile) as caught:
        find("keras", {"keras": official}, SHAPES)
    assert str(caught.value) == f"{official.path} does not hold the tensors published at {official.url}."


def test_a_file_put_there_by_hand_serves_and_a_wrong_one_is_replaced(publisher: str, empty_cache: Path) -> None:
    empty_cache.mkdir()
    official = published(publisher, "missing")
    official.path.write_bytes(Publisher.data)
    assert fetch(official) == official.path
    official.path.write_bytes(Publisher.data[:-1] + b"x")
    assert fetch(published(publisher)).read_bytes() == Publisher.data


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("cut", "it stopped after 700 of {bytes:,} bytes"),
        ("other", "what came has the MD5 {zeros}"),
        ("missing", "the server answered 404"),
        ("away", "http://example.org/w is not HTTPS"),
        ("silent", "nothing came for 0 seconds"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_leaves_nothing(
    publisher: str, kind: str, reason: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.3 if kind == "silent" else 10)
    official = published(publisher, kind)
    with pytest.raises(StorageError) as caught:
        fetch(official)
    said = reason.format(bytes=official.bytes, zeros=hashlib.md5(bytes(official.bytes)).hexdigest())
    assert str(caught.value) == (
        f"{official.url} (0 MB, MD5 {official.md5}) cannot be downloaded: {said}. Fetch it elsewhere and put it at "
        f"{empty_cache / 'w.npz'}, or give it as --weights FILE."
    )
    assert list(empty_cache.iterdir()) == []


def test_longer_than_published_unhashed_and_refused_connections(publisher: str, empty_cache: Path) -> None:
    shorter = Official(f"{publisher}/good/w.npz", len(Publisher.data) - 1)
    with pytest.raises(StorageError, match=r"w\.npz \(0 MB\) cannot be downloaded: what came is longer than"):
        fetch(shorter)
    unhashed = Official(f"{publisher}/other/w.npz", len(Publisher.data))
    assert fetch(unhashed).read_bytes() == bytes(unhashed.bytes)
    with pytest.raises(StorageError, match="cannot be downloaded: connection refused"):
        fetch(Official("http://127.0.0.1:1/v.npz", 1))
    for url in ("http://example.org/v.npz", "file:///etc/hostname", "ftp://example.org/v.npz"):
        with pytest.raises(StorageError, match=f"cannot be downloaded: {url} is not HTTPS"):
            fetch(Official(url, 1))


def test_a_cache_folder_that_cannot_be_written(publisher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FACEFEAT_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(StorageError) as caught:
        fetch(published(publisher))
    assert str(caught.value).startswith(f"{tmp_path / 'file' / 'weights' / 'w.npz'} cannot be written")


def test_a_stopped_download_leaves_nothing(publisher: str, empty_cache: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(published(publisher), stop)
    assert list(empty_cache.iterdir()) == []


def test_weights_by_name_take_the_same_way(publisher: str, monkeypatch: pytest.MonkeyPatch, empty_cache: Path) -> None:
    for network in (vgg16, vgg19):
        official = Official(f"{publisher}/missing/x.h5", 10**6, "0" * 32)
        monkeypatch.setitem(network.OFFICIAL, "keras", official)
        with pytest.raises(StorageError) as caught:
            network.weights("keras")
        assert str(caught.value) == (
            f"{official.url} (1 MB, MD5 {official.md5}) cannot be downloaded: the server answered 404. "
            f"Fetch it elsewhere and put it at {empty_cache / 'x.h5'}, or give it as --weights FILE."
        )

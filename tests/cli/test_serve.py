"""The command: what it prints, how it is stopped, and every mistake."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from facefeat.cli.app import app
from facefeat.features.store.file import read
from facefeat.learn.fit import fit
from tests.serve.serving import PATIENCE, picture_of

pytest.importorskip("starlette", reason="the page needs the extra 'serve'")


@pytest.fixture(scope="module")
def model(thumb_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fit(read(thumb_file), tmp_path_factory.mktemp("serve") / "model.facefeat", head="prototype").output


@contextmanager
def started(*words: object, scratch: Path | None = None) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command; give the process and what it prints first."""
    command = [sys.executable, "-m", "facefeat", "serve", *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, env={**os.environ, "COLUMNS": "100"}
    ) as process:
        assert process.stdout
        try:
            first = process.stdout.readline()
            yield process, first
        finally:
            process.kill()


def ended(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> tuple[int, str, str]:
    """End the command; return its exit code and all that it printed since."""
    process.send_signal(number)
    assert process.stdout and process.stderr
    out, said = process.stdout.read(), process.stderr.read()
    return process.wait(PATIENCE), out, said


def asked(port: int, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(method, path, body, {"Content-Type": "image/png"} if body else {})
        found = connection.getresponse()
        return found.status, found.read()
    finally:
        connection.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_prints_its_address_answers_and_stops(model: Path, number: signal.Signals, code: int) -> None:
    with started(model, "--port", 0) as (process, first):
        address = first.strip()
        assert address.startswith("http://127.0.0.1:") and address.endswith("/")
        port = int(address.rstrip("/").rpartition(":")[2])
        status, body = asked(port, "POST", "/api/predict", picture_of("ada"))
        assert status == 200 and json.loads(body)["faces"][0]["name"] == "ada"
        assert ended(process, number) == (code, " model.facefeat, 4 people; stop with Ctrl-C\n", "Stopped.\n")


def test_nothing_of_a_photograph_is_written_or_said(model: Path, tmp_path: Path) -> None:
    scratch, beside = tmp_path / "scratch", set(model.parent.iterdir())
    scratch.mkdir()
    with started(model, "--port", 0, scratch=scratch) as (process, first):
        port = int(first.strip().rstrip("/").rpartition(":")[2])
        answers = [asked(port, "POST", path, picture_of("ada")) for path in ("/api/predict", "/api/pictures")]
        assert [status for status, _ in answers] == [200, 201]
        assert asked(port, "POST", "/api/predict", b"no picture")[0] == 422
        assert asked(port, "GET", "/api/people/ada/pictures/0")[0] == 200
        assert ended(process)[1:] == (" model.facefeat, 4 people; stop with Ctrl-C\n", "Stopped.\n")
    assert list(scratch.iterdir()) == [] and set(model.parent.iterdir()) == beside


def test_json_is_one_document_with_the_token(model: Path) -> None:
    with started(model, "--port", 0, "--allow-host", "faces.example.org", "--json") as (process, first):
        assert process.stdout
        text = first
        while not text.rstrip().endswith("}"):
            text += process.stdout.readline()
        found = json.loads(text)
        assert (found["schema"], found["people"]) == ("facefeat/serve/1", 4)
        assert found["address"] == f"http://127.0.0.1:{found['port']}/?token={found['token']}"
        assert asked(found["port"], "GET", "/api/people")[0] == 401
        assert ended(process)[1] == ""


def refusal(*words: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["serve", *map(str, words)])
    return found.exit_code, " ".join(found.stderr.split())


def test_a_port_in_use_is_said(model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence = f"Port {port} of 127.0.0.1 is in use; choose another with --port, or --port 0 for any that is free."
        assert refusal(model, "--port", port) == (2, sentence)


def test_mistakes_are_one_sentence(model: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.facefeat"
    assert refusal(missing, "--port", 0)[0] == 3
    code, said = refusal(model, "--port", 0, "--report", tmp_path / "none.html")
    assert code == 3 and said.endswith("(No such file or directory); make it with: facefeat compare --html")
    code, said = refusal(model, "--port", 0, "--host", "no.such.name.invalid")
    assert (code, said) == (
        2,
        "There is no address no.such.name.invalid to listen on; leave --host out for this machine alone.",
    )
    code, said = refusal(model, "--port", 0, "--token", "kurz")
    assert (code, said) == (
        2,
        "A token has 16 characters or more, of letters, digits, - and _; leave --token out to have one made.",
    )
    (tmp_path / "text.facefeat").write_text("no model")
    assert refusal(tmp_path / "text.facefeat", "--port", 0)[0] == 4


def test_without_the_extra_it_says_what_to_install(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    expected = "The web page needs the extra 'serve'; install it with: pip install 'facefeat[serve]'"
    assert refusal(model) == (7, expected)


def test_on_other_addresses_it_warns(model: Path) -> None:
    with started(model, "--port", 0, "--host", "0.0.0.0") as (process, first):
        assert "/?token=" in first
        assert "It goes over the network unencrypted" in " ".join(ended(process)[1].split())

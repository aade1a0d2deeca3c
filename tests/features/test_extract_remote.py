"""Wherever a data set lies, its feature file is the same."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from typer.testing import CliRunner

from facefeat.cli.app import app
from facefeat.data import folder, objects
from facefeat.data.objects import Store
from facefeat.data.remote import list_data
from facefeat.errors import InputError, Unreachable
from facefeat.features import compute, hashes
from facefeat.features.encode import plan
from facefeat.features.extract import Extraction, extract
from facefeat.features.store.file import read
from tests.making import write_people
from tests.stores import closed_port, contents, put, samples, tarred, use

THUMB = plan("thumb", faces_mode="none")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give people with names, pictures and files that are none, as they come."""
    root = write_people(tmp_path / "people", {"ada": 3, "Zoë b%41": 2})
    (root / "ada" / "deep").mkdir()
    (root / "ada" / "deep" / "02.png").write_bytes((root / "ada" / "01.png").read_bytes())
    (root / "ada" / "empty.png").write_bytes(b"")
    (root / "ada" / "text.png").write_bytes(b"no picture")
    (root / "ada" / ".hidden.png").write_bytes(b"hidden")
    (root / "loose.png").write_bytes(b"nobody's")
    return root


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the keys of what is fetched."""
    keys: list[str] = []
    plain = Store.fetched

    def noted(self: Store, key: str, start: int, end: int) -> bytes:
        keys.append(key.rpartition("/")[2])
        return plain(self, key, start, end)

    monkeypatch.setattr(Store, "fetched", noted)
    return keys


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the notes of one test."""
    monkeypatch.setenv("FACEFEAT_CACHE_DIR", str(tmp_path / "cache"))


def run(data: str | Path, output: Path) -> Extraction:
    return extract(data, output, THUMB, engine="openvino")


def local(data: Path) -> bytes:
    """Return the feature file of the folder itself."""
    return run(data, data.parent / "local.h5").file.path.read_bytes()


def in_memory(data: Path, request: pytest.FixtureRequest) -> str:
    return put(data, request.getfixturevalue("memory"))


def in_s3(data: Path, request: pytest.FixtureRequest) -> str:
    return put(data, request.getfixturevalue("s3") + "/some/people")


def by_file(data: Path, request: pytest.FixtureRequest) -> str:
    return f"file://{data}"


def in_a_tar(data: Path, request: pytest.FixtureRequest) -> str:
    (data.parent / "people.tar").write_bytes(tarred(contents(data)))
    return str(data.parent / "people.tar")


def in_a_tar_in_s3(data: Path, request: pytest.FixtureRequest) -> str:
    address = request.getfixturevalue("s3") + "/people.tar"
    fsspec.filesystem("s3", skip_instance_cache=True).pipe_file(address, tarred(contents(data)))
    return address


@pytest.mark.parametrize("place", [in_memory, in_s3, by_file, in_a_tar, in_a_tar_in_s3])
def test_the_file_is_that_of_the_folder(
    data: Path, tmp_path: Path, request: pytest.FixtureRequest, place: Callable[[Path, pytest.FixtureRequest], str]
) -> None:
    made = run(place(data, request), tmp_path / "made.h5")
    assert made.file.path.read_bytes() == local(data)
    assert (made.images, made.computed, made.duplicates, made.dataset.loose) == (8, 5, 1, ("loose.png",))
    assert [(one.path, one.code) for one in made.file.skipped] == [
        ("ada/empty.png", "empty"),
        ("ada/text.png", "not_a_picture"),
    ]


@pytest.mark.parametrize(("kind", "label"), [("cls", "{}\n"), ("txt", "{}"), ("json", '{"label": "{}", "age": 7}')])
def test_samples_of_webdataset_give_the_file_of_the_same_pictures_in_folders(
    tmp_path: Path, kind: str, label: str
) -> None:
    people = contents(write_people(tmp_path / "source", {"ada": 2, "Zoë": 2}))
    for number, (path, data) in enumerate(sorted(people.items())):
        folder = tmp_path / "people" / path.partition("/")[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:05}.png").write_bytes(data)
    (tmp_path / "shard.tar").write_bytes(tarred(samples(people, kind, label)))
    assert run(tmp_path / "shard.tar", tmp_path / "made.h5").file.path.read_bytes() == local(tmp_path / "people")


def test_what_has_not_changed_is_not_fetched_again(data: Path, tmp_path: Path, s3: str, fetched: list[str]) -> None:
    address, output = put(data, s3), tmp_path / "made.h5"
    run(address, output)
    # Each once to know it and once to compute it, but for the copy that ada/deep/02.png is.
    assert Counter(fetched) == {"01.png": 4, "02.png": 5, "03.png": 2, "text.png": 2}
    fetched.clear()
    assert run(address, output).computed == 0 and fetched == []
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    before = files.cat_file(f"{s3}/ada/02.png")
    files.pipe_file(f"{s3}/ada/02.png", before + b"\0")  # as long as before would do as well: the ETag decides
    assert run(address, output).computed == 1 and set(fetched) == {"02.png"}


def test_what_says_nothing_of_its_state_is_fetched_again(data: Path, tmp_path: Path, memory: str) -> None:
    address, output = put(data, memory), tmp_path / "made.h5"
    run(address, output)
    files = fsspec.filesystem("memory")
    (one, other) = ("/photographs/ada/01.png", "/photographs/ada/03.png")
    files.store[one], files.store[other] = files.store[other], files.store[one]
    assert run(address, output).computed == 0
    file = read(output)
    row = file.paths.index("ada/01.png")
    assert file.sha256[row].tobytes() == hashlib.sha256(files.cat_file(one)).digest()


def test_a_picture_that_vanishes_meanwhile_is_skipped(
    data: Path, tmp_path: Path, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, plain = put(data, memory), Store.found

    def found(self: Store) -> object:
        listed = plain(self)
        fsspec.filesystem("memory").rm("/photographs/ada/03.png")
        return listed

    monkeypatch.setattr(Store, "found", found)
    made = run(address, tmp_path / "made.h5")
    assert next((one.path, one.code, one.message) for one in made.file.skipped) == (
        "ada/03.png",
        "unreadable",
        "It was listed and is there no longer.",
    )


def test_a_store_that_falls_silent_loses_nothing_computed(
    data: Path, tmp_path: Path, memory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, plain, n = put(data, memory), Store.fetched, [0]

    def failing(self: Store, key: str, start: int, end: int) -> bytes:
        n[0] += 1
        if n[0] > 11:  # seven to know the pictures, and some to compute
            raise Unreachable("It does not answer.")
        return plain(self, key, start, end)

    monkeypatch.setattr(compute, "GROUP", 1)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "fetched", failing)
        with pytest.raises(Unreachable):
            extract(address, tmp_path / "made.h5", plan("thumb", faces_mode="none"), batch_size=1, workers=1)
    assert not (tmp_path / "made.h5").exists()
    made = run(address, tmp_path / "made.h5")
    assert 0 < made.computed < 5 and made.file.path.read_bytes() == local(data)


def test_what_was_hashed_before_it_fell_silent_is_not_fetched_again(
    data: Path, s3: str, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, plain = put(data, s3), Store.fetched

    def failing(self: Store, key: str, start: int, end: int) -> bytes:
        if key.endswith("ada/03.png"):
            raise Unreachable("It does not answer.")
        return plain(self, key, start, end)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "fetched", failing)
        with pytest.raises(Unreachable):
            hashes.of_all(list_data(address))
    fetched.clear()
    found = list_data(address)
    digests = hashes.of_all(found)
    assert Counter(fetched) == {"03.png": 1, "02.png": 1, "text.png": 1}  # ada/deep/02.png, behind it
    wanted = [hashlib.sha256((data / folder.unescaped(one.path)).read_bytes()).digest() for one in found.entries]
    assert digests == [
        bytes(32) if one.path == "ada/empty.png" else sha for one, sha in zip(found.entries, wanted, strict=True)
    ]


def test_the_command_takes_an_address(data: Path, tmp_path: Path, memory: str) -> None:
    put(data, memory)
    command = ["extract", memory, "-o", str(tmp_path / "made.h5"), "--backbone", "thumb", "--faces", "none", "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0 and json.loads(done.stdout)["rows"] == 6
    assert (tmp_path / "made.h5").read_bytes() == local(data)


@pytest.mark.parametrize(
    "command",
    ["doctor {}", "crop {} out", "finetune {} --unfreeze block5", "evaluate m {}", "prune f --data {}", "info {}"],
)
def test_other_commands_say_that_they_take_none(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, command.format("ftp://ann:secret@host/people").split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        "An address is taken as DATA of facefeat extract only; give a file or folder of this computer here.\n"
    )


def test_a_server_that_is_not_there_is_said_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{closed_port()}"
    use(endpoint, monkeypatch)
    with pytest.raises(Unreachable) as caught:
        run("s3://photographs/people", tmp_path / "made.h5")
    assert str(caught.value) == (
        "s3://photographs/people cannot be read now: Could not connect to the endpoint URL: "
        f'"{endpoint}/photographs". What is done is kept; try the same again.'
    )
    assert not (tmp_path / "made.h5").exists()


def test_no_credentials(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(InputError) as caught:
        run(s3, tmp_path / "made.h5")
    assert str(caught.value) == (
        "There are no credentials for s3://photographs; give them as its own tools take them, in the environment or a file."
    )


def test_a_bucket_or_folder_that_is_not_there(s3: str, tmp_path: Path) -> None:
    for address in ("s3://nothing-of-that-name/people", f"{s3}/nothing"):
        with pytest.raises(InputError) as caught:
            run(address, tmp_path / "made.h5")
        assert str(caught.value) == f"There is nothing at {address}; check its spelling and the endpoint."


def test_sizes_are_kept_to_before_anything_is_fetched(
    data: Path, tmp_path: Path, memory: str, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = put(data, memory)
    fsspec.filesystem("memory").pipe_file("/photographs/ada/large.png", bytes(3 * 1024**2))
    monkeypatch.setattr(objects.picture, "MAX_BYTES", 2 * 1024**2)
    made = run(address, tmp_path / "made.h5")
    assert ("ada/large.png", "too_many_bytes", "3 MB; at most 2 MB are read.") in [
        (one.path, one.code, one.message) for one in made.file.skipped
    ]
    assert "large.png" not in fetched and "empty.png" not in fetched

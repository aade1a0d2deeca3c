"""The bundle: what goes in comes out, and what does not belong there is refused before anything runs."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io

from facefeat import plugins
from facefeat.errors import DamagedFile, FileFormatError, ForeignFile, InputError, NewerFile
from facefeat.features.store.file import read as read_features
from facefeat.learn import bundle
from facefeat.learn.fit import fit
from facefeat.learn.head import decision_scores
from facefeat.learn.unknown import similarities
from tests.heads.test_contract import QUICK
from tests.making import run_python

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def model(thumb_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a model of four people. Not to be changed."""
    return fit(read_features(thumb_file), tmp_path_factory.mktemp("model") / "m.facefeat", head="lda").output


def rewritten(
    model: Path, target: Path, change: Callable[[dict[str, Any], Members], None], fix_hashes: bool = True
) -> Path:
    """Copy a model with something in it changed, its checksums put right again."""
    import hashlib

    with zipfile.ZipFile(model) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    change(manifest, members)
    if fix_hashes:
        for name, data in members.items():
            manifest["members"][name] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, data in members.items():
            archive.writestr(name, data)
    return target


@pytest.mark.parametrize("head", plugins.names("head"))
def test_every_head_comes_back_as_it_was(thumb_file: Path, tmp_path: Path, head: str) -> None:
    file = read_features(thumb_file)
    made = fit(file, tmp_path / "m.facefeat", head=head, layer="grey16", params=QUICK.get(head))
    again = bundle.read(made.output)
    X = np.asarray(file.vectors("grey16"))
    scores, before = (decision_scores(one.estimator, X) for one in (again, made.bundle))
    assert np.array_equal(np.argsort(scores), np.argsort(before))
    np.testing.assert_allclose(scores, before, rtol=0, atol=1e-12 if head == "svm" else 0)
    assert np.array_equal(similarities(again.unknown, X), similarities(made.bundle.unknown, X))
    assert (again.head, again.layer, again.people) == (head, "grey16", file.people)
    assert again.recipe == file.recipe and again.threshold == made.bundle.threshold
    assert again.gallery.paths == file.paths and np.array_equal(again.gallery.sha256, file.sha256)
    np.testing.assert_allclose(again.gallery.vectors, X, rtol=1e-3)


def test_what_was_read_is_not_written_again(model: Path, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"^what was read from a bundle can be applied, not written$"):
        bundle.write(bundle.read(model), tmp_path / "m.facefeat", "")
    assert not any(tmp_path.iterdir())


READ = """
import sys
import numpy as np
from facefeat.learn.bundle import read
from facefeat.learn.naming import namings
for path in sys.argv[1:]:
    bundle = read(path)
    namings(bundle, bundle.gallery.vectors.astype(np.float32), 3)
print(sorted({name.partition(".")[0] for name in sys.modules} & {"sklearn", "scipy", "skops", "joblib", "tensorflow"}))
"""


def test_a_model_is_read_and_used_without_scikit_learn(small_models: list[Path]) -> None:
    assert run_python(READ, *map(str, small_models)).strip() == "[]"


def test_the_model_card_says_what_it_is(model: Path) -> None:
    with zipfile.ZipFile(model) as archive:
        card = archive.read("MODEL_CARD.md").decode()
    assert "Names 4 people" in card and "lda (defaults)" in card and "personal data" in card


def test_it_holds_no_code(model: Path) -> None:
    with zipfile.ZipFile(model) as archive:
        assert sorted(archive.namelist()) == sorted(["manifest.json", *bundle.MEMBERS])
        names = zipfile.ZipFile(io.BytesIO(archive.read("head.skops"))).namelist()
    assert all(name == "schema.json" or name.endswith(".npy") for name in names)


def refusal(path: Path) -> tuple[type, str]:
    with pytest.raises((FileFormatError, InputError)) as caught:
        bundle.read(path)
    return type(caught.value), str(caught.value)


def test_missing_folder_text_and_foreign_archives(tmp_path: Path) -> None:
    missing = tmp_path / "no.facefeat"
    assert refusal(missing) == (InputError, f"There is no model {missing}; make one with: facefeat fit -o {missing}")
    assert refusal(tmp_path) == (InputError, f"{tmp_path} is a folder; a model made by facefeat fit is expected.")
    text = tmp_path / "text.facefeat"
    text.write_text("hello")
    assert refusal(text) == (ForeignFile, f"{text} is not a facefeat model; facefeat fit makes one.")
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "a")
    assert refusal(other) == (ForeignFile, f"{other} is a ZIP file that facefeat did not make.")


@pytest.mark.parametrize("share", [0.2, 0.6, 0.98])
def test_cut_off(model: Path, tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.facefeat"
    data = model.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert refusal(path) == (DamagedFile, f"{path} is damaged: it is cut off or overwritten.")


def test_no_flipped_bit_is_ever_used(model: Path, tmp_path: Path) -> None:
    data, path = model.read_bytes(), tmp_path / "flipped.facefeat"
    whole = bundle.read(model)
    for position in np.random.default_rng(0).integers(0, len(data), 150):
        flipped = bytearray(data)
        flipped[position] ^= 1 << int(position % 8)
        path.write_bytes(flipped)
        try:
            found = bundle.read(path)
        except (FileFormatError, InputError):
            continue
        # Bits that neither name nor content depend on, such as a time in the archive's directory.
        assert found.people == whole.people and found.threshold == whole.threshold
        assert np.array_equal(found.gallery.vectors, whole.gallery.vectors)


def test_newer(model: Path, tmp_path: Path) -> None:
    path = rewritten(model, tmp_path / "n.facefeat", lambda manifest, _: manifest.update(format="facefeat-bundle/4"))
    assert refusal(path) == (
        NewerFile, f"{path} has format 4; this facefeat reads up to 3. Install a newer facefeat.",
    )  # fmt: skip


def test_a_member_that_was_swapped_without_its_checksum(model: Path, tmp_path: Path) -> None:
    def change(_: dict[str, Any], members: Members) -> None:
        members["MODEL_CARD.md"] = b"other"

    path = rewritten(model, tmp_path / "s.facefeat", change, fix_hashes=False)
    assert refusal(path) == (DamagedFile, f"{path} is damaged: MODEL_CARD.md does not match its checksum.")


class Canary:
    """Runs something when it is unpickled or constructed."""

    touched = False

    def __reduce__(self) -> tuple[Any, ...]:
        return (setattr, (Canary, "touched", True))


def npz_of_objects() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, vectors=np.array([Canary()], dtype=object), allow_pickle=True)
    return buffer.getvalue()


HOSTILE: dict[str, Callable[[dict[str, Any], Members], None]] = {
    "a pickle for a head": lambda _, members: members.update({"head.skops": pickle.dumps(Canary())}),
    "a pickle in the gallery": lambda _, members: members.update({"gallery.npz": npz_of_objects()}),
    "a foreign type": lambda _, members: members.update({"head.skops": skops.io.dumps(Canary())}),
    "a path upwards": lambda _, members: members.update({"../x": b"x"}),
    "one member too many": lambda _, members: members.update({"extra.txt": b"x"}),
    "a member missing": lambda _, members: members.pop("gallery.npz") and None,
    "a bomb": lambda _, members: members.update({"MODEL_CARD.md": bytes(50_000_000)}),
    "swapped people": lambda manifest, _: manifest["people"].pop(),
    "the same person twice": lambda manifest, _: manifest.update(people=["ada"] * 4),
    "another recipe": lambda manifest, _: manifest["recipe"].update(input_size=64),
    "another layer": lambda manifest, _: manifest.update(layer="block4_pool"),
    "no threshold": lambda manifest, _: manifest.pop("threshold") and None,
    "people that are a number": lambda manifest, _: manifest.update(people=4),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_does_not_belong_there_is_refused(model: Path, tmp_path: Path, kind: str) -> None:
    path = rewritten(model, tmp_path / "h.facefeat", HOSTILE[kind])
    error, _ = refusal(path)
    assert error is DamagedFile and not Canary.touched


def test_a_gallery_of_no_numbers_is_refused(model: Path, tmp_path: Path) -> None:
    def change(_: dict[str, Any], members: Members) -> None:
        with np.load(io.BytesIO(members["gallery.npz"])) as arrays:
            columns = dict(arrays)
        columns["vectors"][0, 0] = np.nan
        buffer = io.BytesIO()
        np.savez(buffer, **columns)
        members["gallery.npz"] = buffer.getvalue()

    path = rewritten(model, tmp_path / "nan.facefeat", change)
    assert refusal(path) == (
        DamagedFile, f"vectors.npy in gallery.npz in {path} is damaged: it holds numbers that are not finite.",
    )  # fmt: skip


def test_a_head_of_another_name_is_said(model: Path, tmp_path: Path) -> None:
    path = rewritten(model, tmp_path / "o.facefeat", lambda manifest, _: manifest.update(head="foreign"))
    assert refusal(path) == (ForeignFile, f"{path} needs the head 'foreign', which is not installed.")

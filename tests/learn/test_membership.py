"""People come and go, and nobody else notices."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facefeat import plugins
from facefeat.errors import DamagedFile, InputError, LockedError, RecipeMismatch, UsageError
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from facefeat.features.store.file import read as read_features
from facefeat.features.store.shards import writing
from facefeat.learn import bundle
from facefeat.learn.check import check
from facefeat.learn.fit import fit
from facefeat.learn.membership import add, forget, people, rename
from facefeat.learn.naming import namings
from tests.learn.membership import members, pictures, ready, state, traces
from tests.making import write_people

OLD = Path(__file__).parents[1] / "files"
THUMB = plan("thumb", layers=["grey4"], faces_mode="none")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """Give a folder with a model of four people, its feature file and its pictures. Not to be changed."""
    folder = tmp_path_factory.mktemp("membership")
    data = write_people(folder / "people", {"ada": 4, "bob": 4, "cleo": 4, "dan": 4})
    fit(extract(data, folder / "f.h5", THUMB).file, folder / "m.facefeat", head="prototype")
    return folder


@pytest.fixture
def model(source: Path, tmp_path: Path) -> Path:
    """Give a copy of the model, to be changed at will."""
    return Path(shutil.copy(source / "m.facefeat", tmp_path))


def test_added_is_as_good_as_built_anew(model: Path, source: Path, tmp_path: Path) -> None:
    made = add(model, "cara", pictures("cara", range(1, 5)), recogniser=ready(model))
    assert made.is_new and made.people == ("ada", "bob", "cara", "cleo", "dan") and made.pictures == 4
    assert made.stored == tuple(f"cara/{number:02}.png" for number in range(1, 5)) and made.refused == ()
    assert [one.path for one in made.taken] == [f"{number:02}.png" for number in range(1, 5)]
    data = shutil.copytree(source / "people", tmp_path / "people")
    (data / "cara").mkdir()
    for name, content in pictures("cara", range(1, 5)):
        (data / "cara" / name).write_bytes(content)
    anew = fit(extract(data, tmp_path / "anew.h5", THUMB).file, tmp_path / "anew.facefeat", head="prototype")
    wanted, found = bundle.read(anew.output), bundle.read(model)
    assert state(model) == state(anew.output) and check(model).problems == ()
    assert found.threshold.value == pytest.approx(wanted.threshold.value, abs=5e-3)  # a gallery is rounded to float16
    assert found.threshold.fpir == wanted.threshold.fpir and made.threshold == found.threshold
    X = read_features(tmp_path / "anew.h5").vectors("grey4")
    one, other = ([naming.name for naming in namings(each, X, 1)] for each in (found, wanted))
    assert one == other and one[8:12] == ["cara"] * 4


def test_more_pictures_of_somebody(model: Path) -> None:
    made = add(model, "bob", pictures("bob", range(4, 7)), recogniser=ready(model))
    assert (made.is_new, made.pictures, made.people) == (False, 6, ("ada", "bob", "cleo", "dan"))
    assert made.stored == ("bob/05.png", "bob/06.png")
    assert [(one.path, one.code, one.sentence) for one in made.refused] == [
        ("04.png", "copy", "It is in the model already, byte for byte, as bob/04.png.")
    ]
    again = add(model, "bob", pictures("bob", range(4, 7)), recogniser=ready(model))
    assert not again.taken and {one.code for one in again.refused} == {"copy"} and again.pictures == 6


def test_files_of_one_name_are_told_apart(model: Path) -> None:
    (_, first), (_, second) = pictures("bob", range(8, 10))
    made = add(model, "bob", [("C:\\x\\01.png", first), ("../01.png", second)], recogniser=ready(model))
    assert made.stored == ("bob/01-2.png", "bob/01-3.png")


def test_the_chosen_fpir_and_the_knobs_stay(source: Path, tmp_path: Path) -> None:
    file, output = read_features(source / "f.h5"), tmp_path / "m.facefeat"
    fit(file, output, head="prototype", params={"whiten": False}, fpir=0.2, keep_faces=False)
    add(output, "eva", pictures("eva", range(1, 4)), recogniser=ready(output))
    found = bundle.read(output)
    assert (found.params, found.threshold.fpir, len(found.gallery.pixels)) == ({"whiten": False}, 0.2, 0)
    assert b"Names 5 people" in members(output)["MODEL_CARD.md"]


@pytest.mark.parametrize("head", plugins.names("head"))
def test_what_was_forgotten_is_nowhere_in_the_file(models: dict[str, Path], tmp_path: Path, head: str) -> None:
    model, name = Path(shutil.copy(models[head], tmp_path)), "Wilhelmina"
    rename(model, "dan", name)
    before = bundle.read(model)
    rows = np.flatnonzero(before.gallery.person == before.people.index(name))
    digests = [before.gallery.sha256[row].tobytes() for row in rows]
    theirs = name, tuple(before.gallery.paths[row] for row in rows), digests, before.gallery.vectors[rows]
    assert traces(model, *theirs) >= {"name", "path", "hash", "float16", "row"}
    made = forget(model, name)
    assert traces(model, *theirs) == set()
    assert [path.name for path in tmp_path.iterdir()] == [model.name]
    assert (made.people, made.removed[0].vectors, made.removed[0].faces) == (("ada", "bob", "cleo"), 3, 3)
    assert bundle.read(model).params == before.params and check(model).problems == ()


def test_feature_files_and_their_unfinished_work_forget_too(model: Path, source: Path, tmp_path: Path) -> None:
    shutil.copy(source / "f.h5", tmp_path / "f.h5")
    work = tmp_path / "f.h5.work"
    work.mkdir()
    (work / "shard-0123456789abcdef.h5").write_bytes(b"vectors of anybody")
    made = forget(model, "ada", features=[tmp_path / "f.h5"])
    one = made.removed[1]
    assert (one.kind, one.vectors, one.faces, one.skipped, one.unfinished) == ("features", 4, 4, 0, 1)
    assert read_features(tmp_path / "f.h5").people == ("bob", "cleo", "dan") and not work.exists()
    assert forget(model, "bob", features=[tmp_path / "f.h5"]).removed[1].unfinished == 0


def test_pictures_that_somebody_else_has_too_are_counted(source: Path, tmp_path: Path) -> None:
    data = shutil.copytree(source / "people", tmp_path / "people")
    shutil.copy(data / "ada" / "01.png", data / "bob" / "09.png")
    output = fit(extract(data, tmp_path / "f.h5", THUMB).file, tmp_path / "m.facefeat", head="prototype").output
    assert [one.shared for one in forget(output, "ada", features=[tmp_path / "f.h5"]).removed] == [1, 1]


def test_a_feature_file_that_cannot_be_read_is_said_before_anything_is_changed(model: Path, tmp_path: Path) -> None:
    before = model.read_bytes()
    (tmp_path / "f.h5").write_bytes(b"facefeat-features/2\n" + bytes(600))
    with pytest.raises(DamagedFile):
        forget(model, "ada", features=[tmp_path / "f.h5"])
    assert model.read_bytes() == before


def test_two_people_must_stay(model: Path) -> None:
    for name in ("ada", "bob"):
        forget(model, name)
    before = model.read_bytes()
    sentence = (
        f"Only dan would be left in {model}, and a model tells two people or more apart; it stays as it is. "
        "If all is to go, delete the file."
    )
    with pytest.raises(InputError) as caught:
        forget(model, "cleo")
    assert str(caught.value) == sentence and model.read_bytes() == before


def test_a_new_name_leaves_all_else_byte_for_byte(model: Path) -> None:
    before = members(model)
    made = rename(model, "bob", "Zoe\u0308")
    after = members(model)
    assert (made.old, made.new, made.pictures) == ("bob", "Zo\u00eb", 4)
    assert {name for name in after if after[name] != before[name]} == {"manifest.json", "gallery.npz"}
    assert made.people == bundle.read(model).people == ("ada", "Zo\u00eb", "cleo", "dan")
    assert b"bob" not in b"".join(after.values()) and check(model).problems == ()
    for old, new, sentence in (
        ("Zo\u00eb", "ada", f"There is somebody else called 'ada' in {model}; two people cannot become one."),
        ("ada", "ada", f"'ada' is the name in {model} already."),
        ("ZOE", "eve", "There is no person 'ZOE'; did you mean 'Zo\u00eb'? There are: Zo\u00eb, ada, cleo, dan."),
    ):
        with pytest.raises(UsageError) as caught:
            rename(model, old, new)
        assert str(caught.value) == unicodedata.normalize("NFC", sentence)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="/\\%"),
        min_size=1,
        max_size=60,
    )
)
def test_adding_and_forgetting_somebody_new_changes_nobody(model: Path, name: str) -> None:
    before, plain = state(model), unicodedata.normalize("NFC", name)
    if plain != plain.strip() or plain.startswith(".") or plain in before[0] or len(plain.encode()) > 255:
        with pytest.raises(UsageError):
            add(model, name, [], recogniser=ready(model)) if plain not in before[0] else rename(model, name, name)
    else:
        made = add(model, name, pictures("zoe", range(1, 3)), recogniser=ready(model))
        assert plain in made.people and list(made.people) == sorted(made.people)
        assert forget(model, name).people == before[0]
    assert state(model) == before


FOLDER = "The name must be that of a folder, without a slash and not beginning with a dot; '{}' was given."
BLANKS = "The name must have no blanks around it and no control characters; '{}' was given."


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", FOLDER),
        ("..", FOLDER),
        ("a/b", FOLDER),
        ("a\\b", FOLDER),
        ("%2e%2e%2Fetc", FOLDER),
        (".hidden", FOLDER),
        (" ada", BLANKS),
        ("a\nb", BLANKS),
        ("a\0b", BLANKS),
        ("\u00e9" * 128, "The name must have at most 255 bytes, as that of a folder; it has more."),
    ],
)
def test_names_that_no_folder_has_are_refused(model: Path, name: str, sentence: str) -> None:
    before = model.read_bytes()
    for change in (lambda: add(model, name, pictures("eva", range(1, 2))), lambda: rename(model, "ada", name)):
        with pytest.raises(UsageError) as caught:
            change()
        assert str(caught.value) == sentence.format(name)
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    "name", ["\u05d3\u05d5\u05d3 \u05d1\u05df", "\u4e2d\u6587", "caf\udce9", "O'Neil; DROP", "\u00e9" * 127]
)
def test_names_that_a_folder_has_are_taken(model: Path, name: str) -> None:
    made = add(model, name, pictures("eva", range(1, 3)), recogniser=ready(model))
    assert made.name == name.replace("\udce9", "%E9") and made.name in bundle.read(model).people
    assert forget(model, name).people == ("ada", "bob", "cleo", "dan")


@pytest.mark.parametrize("old", ["model-1.facefeat", "model-2.facefeat"])
def test_models_of_older_formats_change_too(tmp_path: Path, old: str) -> None:
    model = Path(shutil.copy(OLD / old, tmp_path))
    assert rename(model, "Zoe\u0308", "Zara").people == ("Zara", "ada", "bob")
    assert add(model, "Zara", pictures("Zo\u00eb", range(7, 9)), recogniser=ready(model)).pictures == 4
    assert forget(model, "ada").people == ("Zara", "bob") and check(model).problems == ()
    assert {member.sharpness is None for member in people(bundle.read(model))} == {old == "model-1.facefeat"}


def test_a_gallery_with_augmented_copies_works(model: Path, source: Path) -> None:
    twice = bundle.read(model)
    rows = np.repeat(np.arange(16), 3)
    gallery = twice.gallery
    copies = type(gallery)(
        gallery.vectors[rows] + np.random.default_rng(0).normal(0, 0.01, (48, 16)).astype(np.float16),
        gallery.person[rows], tuple(gallery.paths[row] for row in rows), gallery.sha256[rows], gallery.pixels[rows],
    )  # fmt: skip
    bundle.write_labels(type(twice)(**{**vars(twice), "gallery": copies}), model)
    assert add(model, "eva", pictures("eva", range(1, 4)), recogniser=ready(model)).pictures == 3
    assert [one.pictures for one in people(bundle.read(model))] == [4, 4, 4, 4, 3]
    made = forget(model, "eva")
    assert made.removed[0].vectors == 3 and state(model) == (twice.people, copies.to_bytes())


def test_one_change_at_a_time(model: Path) -> None:
    with writing(model):
        for change in (
            lambda: add(model, "eva", pictures("eva", range(1, 2))),
            lambda: forget(model, "ada"),
            lambda: rename(model, "ada", "eva"),
        ):
            with pytest.raises(LockedError) as caught:
                change()
            assert str(caught.value).startswith(f"{model} is being written by another run (process ")
            assert str(caught.value).endswith("; wait for it, or stop it.")
    assert not model.with_name("m.facefeat.work").exists()


def test_a_link_is_followed_to_the_file_that_changes(model: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.facefeat"
    link.symlink_to(model)
    forget(link, "ada")
    assert link.is_symlink() and bundle.read(model).people == ("bob", "cleo", "dan")


def test_a_recogniser_of_another_recipe_is_refused(model: Path, source: Path, tmp_path: Path) -> None:
    other = extract(source / "people", tmp_path / "o.h5", plan("thumb", layers=["grey8"], faces_mode="none")).file
    wrong = ready(fit(other, tmp_path / "o.facefeat", head="prototype").output)
    with pytest.raises(RecipeMismatch) as caught:
        add(model, "eva", pictures("eva", range(1, 3)), recogniser=wrong)
    assert (
        str(caught.value) == "The recogniser that is ready and the model in the file are of two recipes; load it again."
    )


def test_people_are_listed_with_whom_they_are_like(source: Path) -> None:
    found = people(bundle.read(source / "m.facefeat"))
    assert [one.name for one in found] == ["ada", "bob", "cleo", "dan"]
    for one in found:
        assert one.pictures == 4 and one.paths == tuple(f"{one.name}/{number:02}.png" for number in range(1, 5))
        assert one.nearest != one.name and -1 < one.similarity < 0.5
        assert one.sharpness is not None and 0 < one.sharpness.least <= one.sharpness.median

from __future__ import annotations

import pytest

from facefeat import errors
from tests.making import run_python

CODES = {
    "FacefeatError": 1,
    "UsageError": 2,
    "InputError": 3,
    "PictureRefused": 3,
    "FileFormatError": 4,
    "DamagedFile": 4,
    "ForeignFile": 4,
    "NewerFile": 4,
    "RecipeMismatch": 4,
    "LockedError": 5,
    "ExportDiffers": 1,
    "StorageError": 6,
    "Unreachable": 6,
    "MissingExtra": 7,
    "MissingPackage": 7,
}


def test_every_error_has_its_exit_code() -> None:
    classes = {name: getattr(errors, name) for name in errors.__all__ if name != "unknown_name"}
    assert {name: one.exit_code for name, one in classes.items()} == CODES
    assert all(issubclass(one, errors.FacefeatError) for one in classes.values())


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.UsageError, ValueError),
        (errors.InputError, ValueError),
        (errors.FileFormatError, ValueError),
        (errors.LockedError, RuntimeError),
        (errors.ExportDiffers, RuntimeError),
        (errors.StorageError, OSError),
        (errors.Unreachable, OSError),
        (errors.MissingExtra, ImportError),
        (errors.MissingPackage, ImportError),
    ],
)
def test_errors_are_also_what_python_calls_them(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, builtin)


def test_a_missing_extra_says_how_to_install_it() -> None:
    error = errors.MissingExtra("serve", "The web page")
    assert str(error) == "The web page needs the extra 'serve'; install it with: pip install 'facefeat[serve]'"
    assert error.extra == "serve"


def test_a_refusal_keeps_its_code_and_its_sentence() -> None:
    refused = errors.PictureRefused("empty", "The file is empty.")
    assert (refused.code, refused.message, str(refused)) == ("empty", "The file is empty.", "The file is empty.")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("smv", "There is no head 'smv'; did you mean 'svm'? There are: knn, svm."),
        ("SVM", "There is no head 'SVM'; did you mean 'svm'? There are: knn, svm."),
        ("forest", "There is no head 'forest'. There are: knn, svm."),
        ("", "There is no head ''. There are: knn, svm."),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(name: str, sentence: str) -> None:
    error = errors.unknown_name("head", name, ["svm", "knn"])
    assert isinstance(error, errors.UsageError)
    assert str(error) == sentence


def test_errors_import_nothing_of_the_package() -> None:
    code = "import sys, facefeat.errors; print([m for m in sys.modules if m.startswith('facefeat.')], 'numpy' in sys.modules)"
    assert run_python(code) == "['facefeat.errors'] False\n"


def test_of_many_names_the_first_are_listed() -> None:
    error = errors.unknown_name("person", "q999", [f"p{i:03}" for i in range(1, 1001)])
    listed = ", ".join(f"p{i:03}" for i in range(1, 21))
    assert str(error) == f"There is no person 'q999'; did you mean 'p999'? There are: {listed} and 980 more."

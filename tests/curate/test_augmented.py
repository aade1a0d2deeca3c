"""A diagnosis looks at pictures, whatever augmented copies the feature file has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from facefeat.curate.doctor import examine
from facefeat.features.encode import plan
from facefeat.features.extract import extract
from tests.making import write_people


def test_a_diagnosis_is_that_of_the_pictures(tmp_path: Path) -> None:
    data = write_people(tmp_path / "people", {"ada": 3, "bob": 3, "cleo": 1}, size=32)
    (data / "bob" / "again.png").write_bytes((data / "ada" / "01.png").read_bytes())
    thumb = plan("thumb", size=32, faces_mode="none", flip=False)
    found = []
    for each in (0, 2):
        features = tmp_path / f"{each}.h5"
        extract(data, features, thumb, augment=each, engine="openvino")
        found.append(examine(data, against=data, features=features, workers=1))
    plain, copies = (replace(one, file=found[0].file, seconds=0.0) for one in found)
    assert len(found[1].file) == 3 * len(found[0].file)
    assert plain == copies
    assert [one.kind for one in copies.findings].count("two_people") == 1

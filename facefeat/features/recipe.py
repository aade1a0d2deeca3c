"""Everything that could change a number, as one frozen record with a hash.

How to raise ``FORMAT``: when a change makes new vectors differ from old ones, give the field that
changed a new value. When a field is added, give it a default that means the old behaviour, raise the
number, and lift older records to it in ``Recipe.from_json``; files keep the hash of the record as they
hold it. Add a file of the old format to the tests first. docs/file-formats.md has the rules of all formats.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from facefeat.data.faces import FaceStep
from facefeat.errors import DamagedFile, NewerFile, RecipeMismatch, UsageError

FORMAT = 1
POOLINGS = ("avg", "max", "grid2", "flatten")
SIZES = (32, 512)
NUMERICS = ("full", "int8")


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
    resize, colour : str
        Names of the only filter and colour handling there are so far.
    numerics : str
        ``'full'`` is shared by float32, bfloat16 and float16, which agree to rounding; ``'int8'`` is not.
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
    resize: str = "area"
    colour: str = "rgb8, alpha over white"
    numerics: str = "full"
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not SIZES[0] <= self.input_size <= SIZES[1]:
            raise UsageError(f"The size must be from {SIZES[0]} to {SIZES[1]} pixels; {self.input_size} was given.")
        if self.pooling not in POOLINGS:
            raise UsageError(f"The pooling must be one of {', '.join(POOLINGS)}; '{self.pooling}' was given.")
        if not self.layers:
            raise UsageError("At least one layer is needed.")

    def as_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return {**asdict(self), "layers": list(self.layers), "faces": self.faces.as_dict()}

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
            return cls(**{**values, "layers": tuple(values["layers"]), "faces": faces})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, NewerFile):
                raise
            raise DamagedFile("The recipe cannot be read.") from error

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
        if "faces.detector" in fields:
            fields = [name for name in fields if not name.startswith("faces.")] + ["faces.detector"]
        return ", ".join(f"{name} is {_short(theirs.get(name))} instead of {_short(mine.get(name))}" for name in fields)


def canonical_json(value: Any) -> str:
    """Write JSON in the one form that is hashed and compared."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat.update(_flat(value, f"{name}.") if isinstance(value, dict) else {prefix + name: value})
    return flat


def _short(value: Any) -> str:
    text = "+".join(value) if isinstance(value, list) else str(value)
    return text[:12] if len(text) == 64 else text

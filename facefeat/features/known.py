"""What is known of pictures by their bytes: rows of the feature file that was there, and of shards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from facefeat.data import picture
from facefeat.features.store import sealed
from facefeat.features.store.columns import Kept, Skipped
from facefeat.features.store.file import FeatureFile
from facefeat.features.store.shards import Shard

Place = tuple[int, int]  # a piece, and a row in it


class Known:
    """Where the numbers of each picture's bytes lie, and those of its augmented copies.

    Parameters
    ----------
    augmentation : str
        The ranges of copies that are wanted, canonical JSON; copies of other ranges are unknown.

    Attributes
    ----------
    pieces : list of dict of str to ndarray
        Columns of files.
    refused : dict of bytes to Skipped
    makers : list of dict
    most : int
        Copies of a picture that any piece has, of whatever ranges.
    tried, pictures : int
        Pictures of this run that are in shards, and those of them that are no refusals.
    """

    def __init__(self, augmentation: str) -> None:
        self.augmentation = augmentation
        self.pieces: list[Kept] = []
        self.refused: dict[bytes, Skipped] = {}
        self.makers: list[dict[str, Any]] = []
        self.most = self.tried = self.pictures = 0
        self._places: dict[bytes, int] = {}  # one number takes least memory

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, digest: bytes) -> bool:
        """Tell whether there is a row of a picture itself."""
        return digest in self._places

    def add(self, columns: Kept, maker: dict[str, Any], augmentation: str) -> None:
        """Add the rows of a file, whose copies are of some ranges."""
        index, copies = len(self.pieces), columns["images/copy"]
        self.pieces.append(columns)
        self.most = max(self.most, int(copies.max(initial=0)))
        for row, (digest, copy) in enumerate(zip(columns["images/sha256"], copies.tolist(), strict=True)):
            if copy == 0 or augmentation == self.augmentation:
                self._places.setdefault(_key(digest.tobytes(), copy), index << 32 | row)
        sealed.release(columns["images/sha256"])
        if maker not in self.makers:
            self.makers.append(maker)

    def add_shard(self, shard: Shard, *, retry: bool = False) -> None:
        """Add the rows of a shard, and its refusals unless those are to be tried again."""
        self.add(shard.columns, json.loads(shard.made_by), shard.augmentation)
        self.refuse(() if retry else shard.skipped)

    def add_file(self, file: FeatureFile, *, retry: bool = False) -> None:
        """Add the rows of a feature file, likewise."""
        self.add(file.numbers, file.made_by, file.augmentation)
        self.refuse(() if retry else file.skipped)

    def refuse(self, skipped: Sequence[Skipped]) -> None:
        """Remember refusals that are about the bytes alone."""
        told = ((one.sha256, one) for one in skipped if any(one.sha256) and one.code in picture.OF_THE_BYTES)
        self.refused.update(told)

    def lacking(self, digest: bytes, each: int) -> tuple[int, ...]:
        """Return which rows of a picture are to be computed: 0 for itself, 1 to ``each`` for its copies."""
        if digest in self.refused:
            return ()
        return tuple(copy for copy in range(each + 1) if _key(digest, copy) not in self._places)

    def rows_of(self, digest: bytes, each: int) -> Iterator[Place]:
        """Yield the rows of a picture: itself and its copies, up to the first that is not known."""
        for copy in range(each + 1):
            place = self._places.get(_key(digest, copy))
            if place is None:
                return
            yield place >> 32, place & 0xFFFFFFFF


def _key(digest: bytes, copy: int) -> bytes:
    return digest + copy.to_bytes(2, "little") if copy else digest

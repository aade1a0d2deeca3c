"""Which weights there are, and what a file of weights is."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from facefeat import plugins
from facefeat.errors import InputError, MissingExtra, UsageError, unknown_name
from facefeat.features import backbone as backbones
from facefeat.features.backbone import Backbone
from facefeat.features.official import Official, Progress, fetch, is_here

CARRIED, HERE, TO_FETCH, MISSING, NONE = "carried", "here", "to fetch", "not installed", "none"


@dataclass(frozen=True)
class Named:
    """Weights that a backbone knows by name.

    Attributes
    ----------
    backbone, name : str
    state : str
        ``'carried'`` by a package, ``'here'`` in the cache folder, ``'to fetch'``, ``'not installed'`` where they come
        with an extra, or ``'none'`` where the backbone has no weights.
    licence : str
        One line.
    official : Official or None
        Of those that are fetched.
    """

    backbone: str
    name: str
    state: str
    licence: str
    official: Official | None = None


@dataclass(frozen=True)
class Examined:
    """What a user's file of weights is.

    Attributes
    ----------
    path : Path
    backbone : str
    layout : str
        Its format, and how its tensors were told.
    tensors, numbers : int
        How many the network takes from it.
    sha256 : str
        Of the tensors.
    published : str or None
        Name of the backbone's weights that have the same tensors.
    preprocess : str or None
        What ``--preprocess`` its names ask for.
    """

    path: Path
    backbone: str
    layout: str
    tensors: int
    numbers: int
    sha256: str
    published: str | None
    preprocess: str | None


def named(names: Iterable[str] | None = None) -> list[Named]:
    """List the weights that backbones know by name.

    Parameters
    ----------
    names : iterable of str or None
        Of backbones; ``None``: all.

    Returns
    -------
    list of Named
    """
    found = []
    for name in names or plugins.names("backbone"):
        network = backbones.get(name)
        for one in network.WEIGHTS:
            official = _officials(network).get(one)
            state = _state(network, one, official)
            found.append(Named(name, one, state, network.LICENCE.removeprefix("weights: "), official))
    return found


def fetched(backbone: str, name: str | None = None, progress: Progress | None = None) -> Named:
    """Fetch weights of a backbone into the cache folder, unless they are there.

    Parameters
    ----------
    backbone : str
    name : str or None
        Of the weights; the backbone's first that are fetched by default.
    progress : callable or None

    Returns
    -------
    Named

    Raises
    ------
    UsageError
        If there is no such backbone, or it has no such weights to fetch.
    StorageError
        As ``facefeat.features.official.fetch``.
    """
    network = backbones.get(backbone)
    officials = _officials(network)
    if not officials:
        raise UsageError(f"The backbone {backbone} has nothing to fetch.")
    name = name or next(iter(officials))
    if name not in officials and name in network.WEIGHTS:
        raise UsageError(f"The weights '{name}' of {backbone} come with the package; there is nothing to fetch.")
    if name not in officials:
        raise unknown_name("name of weights", name, network.WEIGHTS)
    fetch(officials[name], progress)
    return Named(backbone, name, HERE, network.LICENCE.removeprefix("weights: "), officials[name])


def examined(path: str | Path, backbone: str) -> Examined:
    """Read a user's file of weights as a backbone would.

    Parameters
    ----------
    path : path-like
    backbone : str

    Returns
    -------
    Examined

    Raises
    ------
    UsageError
        If there is no such backbone, or it has no weights.
    InputError
        If there is no such file.
    FileFormatError
        As ``facefeat.features.weights.from_file``.
    """
    network, path = backbones.get(backbone), Path(path)
    if not path.is_file():
        raise InputError(f"There is no weights file {path}.")
    source = str(path.absolute() if str(path) in network.WEIGHTS else path)  # a file may be called as weights are
    found = network.weights(source)
    tensors = found.read()
    numbers = sum(int(tensor.size) for tensor in tensors.values())
    same = next((name for name in network.WEIGHTS if _sha256(network, name) == found.sha256), None)
    return Examined(path, backbone, found.layout, len(tensors), numbers, found.sha256, same, found.preprocess)


def _sha256(network: Backbone, name: str) -> str:
    """Return the hash of weights known by name, as far as it is known without fetching or installing them."""
    official = _officials(network).get(name)
    if official:
        return official.sha256
    with suppress(MissingExtra):
        return network.weights(name).sha256
    return ""


def _officials(network: Backbone) -> dict[str, Official]:
    return dict(getattr(network, "OFFICIAL", {}))


def _state(network: Backbone, name: str, official: Official | None) -> str:
    if official is not None:
        return HERE if is_here(official) else TO_FETCH
    try:
        return NONE if network.weights(name).name == "none" else CARRIED
    except MissingExtra:
        return MISSING

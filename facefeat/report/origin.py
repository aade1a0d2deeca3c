"""Where figures come from: the recipe of the vectors, the packages, and the machine."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from facefeat.engines.cores import usable
from facefeat.features.store.file import FeatureFile

_PACKAGES = ("facefeat", "numpy", "scipy", "scikit-learn", "keras")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that fit heads; one that is not installed is left out."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Describe the machine, but for its name."""
    return {"platform": platform.platform(), "processor": platform.machine(), "cores": usable()}


def document(file: FeatureFile) -> dict[str, Any]:
    """Describe all of it, for a JSON document."""
    return {
        "recipe_sha256": file.recipe.sha256,
        "recipe": file.recipe.as_dict(),
        "made_by": file.made_by,
        "versions": versions(),
        "machine": machine(),
    }

"""Finding what a folder holds: a new corpus or ALM is one new file there, and its name is its key."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from ambivox.models.errors import unknown


def keys(package: ModuleType) -> list[str]:
    """The keys in ``package``: the names of its public modules, sorted. Nothing is imported."""
    return sorted(
        found.name for found in pkgutil.iter_modules(package.__path__) if not found.name.startswith("_")
    )


def find(package: ModuleType, key: str, kind: str) -> ModuleType:
    """The module of ``package`` with this key.

    Raises:
        UserError: no such file; the message lists the known keys of this kind ("corpus", "ALM").
    """
    if key not in keys(package):
        raise unknown(kind, key, keys(package))
    return importlib.import_module(f"{package.__name__}.{key}")

"""The modules of a package as a registry: a new corpus or ALM is one new file, and the file name is its key."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from ambivox.models.errors import unknown


def keys(package: ModuleType) -> list[str]:
    """List the keys in a package: the names of its public modules. Nothing is imported.

    Args:
        package: The package, such as ``ambivox.models.corpora``.

    Returns:
        The keys, sorted.
    """
    return sorted(
        module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_")
    )


def find(package: ModuleType, key: str, kind: str) -> ModuleType:
    """Import the module with a key.

    Args:
        package: The package, such as ``ambivox.models.corpora``.
        key: The key: the module's name in the package.
        kind: What a key of this package names, such as "corpus", for the error message.

    Returns:
        The module.

    Raises:
        UserError: There is no such module; the message lists the known keys.
    """
    if key not in keys(package):
        raise unknown(kind, key, keys(package))
    return importlib.import_module(f"{package.__name__}.{key}")

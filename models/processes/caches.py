"""Folders for the caches of libraries, where the home folder cannot be written (a service user, a container)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Each library would warn and use a folder of its own, or fail.
_VARIABLES = {"XDG_CACHE_HOME": "cache", "XDG_CONFIG_HOME": "config", "MPLCONFIGDIR": "matplotlib"}


def use_writable_caches() -> None:
    """Point libraries to the temporary folder, unless the home folder can be written or the user has set another."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", "/nonexistent"), ".cache"))
    try:
        home.mkdir(parents=True, exist_ok=True)
        if os.access(home, os.W_OK):
            return
    except OSError:
        pass
    # One per user, so that the caches are used again; another user's folder of this name is not taken.
    folder = Path(tempfile.gettempdir()) / f"ambivox-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        folder = Path(tempfile.mkdtemp(prefix="ambivox-"))
    for variable, name in _VARIABLES.items():
        os.environ[variable] = str(folder / name)
        (folder / name).mkdir(exist_ok=True)

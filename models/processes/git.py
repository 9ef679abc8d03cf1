"""Asking git, which a machine that holds a project may lack."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ambivox.models.errors import UserError


def run_git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in a folder.

    Args:
        folder: The folder.
        arguments: The command and its options.

    Returns:
        Its exit code and output.

    Raises:
        UserError: git is not installed.
    """
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise UserError(f"git cannot be started ({error.strerror}); install it, or add it to PATH") from error

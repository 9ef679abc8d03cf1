"""What several tests of infra/ need: whether the package index of uv answers."""

from __future__ import annotations

import os
import subprocess

import pytest
from uv import find_uv_bin


@pytest.fixture(scope="session")
def package_index() -> None:
    """Skips a test where the package index does not answer."""
    command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-deps", "--refresh-package", "six", "-"]
    environment = {**os.environ, "UV_HTTP_RETRIES": "0", "UV_HTTP_CONNECT_TIMEOUT": "10"}
    asked = subprocess.run(
        command, input=b"six", env=environment, capture_output=True, check=False, timeout=120
    )
    if asked.returncode != 0:
        pytest.skip("the package index of uv does not answer")

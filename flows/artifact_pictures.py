"""Pictures of artifacts: copies beside Prefect's database, which this project's server shows at ``/pictures/<hash>.svg``.

Prefect's V2 UI drops pictures that are part of a text (``data:``); both UIs show those with an address. A copy is named by its
content, so that the artifacts of earlier runs keep their own pictures. A server that was not started by Ambivox cannot show
them; its artifacts hold the pictures themselves, which the V1 UI shows.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from ambivox.flows.prefect_settings import prefect_home
from ambivox.models.files import atomic_path

NAME = re.compile(r"[0-9a-f]{64}\.svg")
_TIMEOUT_SECONDS = 5.0
_MARKUP = re.compile(r"[\[\]()!\\`*_<>\n]")


def pictures_folder(project: Path) -> Path:
    """Where the copies of a project's pictures are."""
    return prefect_home(project) / "pictures"


def picture_address(name: str) -> str:
    """Where a server of this project shows a picture, relative to its address."""
    return f"/pictures/{name}"


def picture_markdown(project: Path, picture: bytes, alternative: str) -> str:
    """A picture in an artifact's text, by its address where the server shows it.

    Args:
        project: The folder that holds dvc.yaml.
        picture: The content of an SVG file.
        alternative: What it shows, for those who do not see it.
    """
    name = f"{hashlib.sha256(picture).hexdigest()}.svg"
    copy = pictures_folder(project) / name
    if not copy.is_file():
        with atomic_path(copy) as temporary:
            temporary.write_bytes(picture)
    text = _MARKUP.sub(" ", alternative)
    if _is_shown(picture_address(name)):
        return f"![{text}]({picture_address(name)})"
    return f"![{text}](data:image/svg+xml;base64,{base64.b64encode(picture).decode('ascii')})"


def _is_shown(address: str) -> bool:
    """Whether the Prefect server in use answers with the picture."""
    from prefect.settings import PREFECT_API_URL

    api = urlsplit(PREFECT_API_URL.value() or "")
    if api.scheme not in ("http", "https"):
        return False
    try:
        # The header is enough; the picture itself is not read.
        with httpx.stream("GET", f"{api.scheme}://{api.netloc}{address}", timeout=_TIMEOUT_SECONDS) as answer:
            kind = answer.headers.get("content-type", "")
            return answer.status_code == httpx.codes.OK and kind.startswith("image/")
    except httpx.HTTPError:
        return False

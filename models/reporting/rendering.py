"""Rendering of the HTML pages: one environment, in which everything that comes from data is escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """Return a page with the shared style sheet.

    Args:
        template: the file name in templates/.
        **values: what the template names, apart from ``css``.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = (FOLDER / "page.css").read_text(encoding="utf-8")
    return environment.get_template(template).render(css=css, **values)

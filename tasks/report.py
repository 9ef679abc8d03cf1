"""report: everything a run found, as one HTML page to read, print, send or keep."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options of the step ``report``.

    Attributes:
        title: The title of the page; the corpus's name by default.
        examples: How many ambiguous utterances to show (0 for none).
    """

    title: str | None = None
    examples: int = 8


def report(*, data: Path, out: Path, options: ReportOptions) -> Path:
    """Write one self-contained HTML page about the outputs of a run.

    The page needs no network, escapes everything that comes from the data, and depends on the inputs alone:
    equal outputs give equal bytes. Parts that do not exist yet are named as missing.

    Args:
        data: The run's folder, data/KEY, with ingest/, annotations/, distributions/, validation/, ...
        out: The HTML file to write.
        options: See ReportOptions.

    Returns:
        The HTML file.

    Raises:
        UserError: The folder is missing or holds no outputs.
    """
    from ambivox.models.files import atomic_path
    from ambivox.models.reporting.page import page

    html = page(data, options.title, options.examples)
    with atomic_path(out) as temporary:
        temporary.write_text(html, encoding="utf-8")
    _logger.info(f"report: {out} ({len(html) / 1e6:.1f} MB)")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(report)

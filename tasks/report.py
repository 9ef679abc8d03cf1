"""report: everything a run found, as one HTML page to read, print, send or keep."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from ambivox.models.number_ranges import CountOrNone, NotNegative, Range, check_options

_LONGEST_CLIP_SECONDS = 60.0
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options of the step ``report``.

    Attributes:
        title: The title of the page; the corpus's name by default.
        examples: How many utterances to show of every kind: most ambiguous, disputed, certain, and worth another vote.
        clips: Whether their audio is in the page: where the corpus's licence lets anyone pass it on, always, or never.
        clip_seconds: The most that is heard of an utterance.
        clip_megabytes: The most that all clips together take.
        table_rows: The most rows of the table of utterances (0 for no table).
    """

    title: str | None = None
    examples: CountOrNone = 4
    clips: Literal["licensed", "always", "never"] = "licensed"
    clip_seconds: Annotated[float, Range(0, _LONGEST_CLIP_SECONDS, is_above=True)] = 8.0
    clip_megabytes: NotNegative = 4.0
    table_rows: CountOrNone = 20_000


def report(*, data: Path, out: Path, options: ReportOptions) -> Path:
    """Write one self-contained HTML page about the outputs of a run.

    The page needs no network, escapes everything that comes from the data, and depends on the inputs and the recordings
    alone: equal inputs give equal bytes. Parts that do not exist yet are named as missing.

    Args:
        data: The run's folder, data/KEY, with ingest/, annotations/, distributions/, validation/, ...
        out: The HTML file to write.
        options: See ReportOptions.

    Returns:
        The HTML file.

    Raises:
        UserError: The folder is missing or holds no outputs, a number is out of its range, or the file cannot be written.
    """
    from ambivox.models.files import atomic_path
    from ambivox.models.output_places import PAGE_MARK, check_output_file
    from ambivox.models.reporting.clips import ClipLimits
    from ambivox.models.reporting.page import page

    check_options(options)
    check_output_file(out, ".html", PAGE_MARK)
    limits = ClipLimits(options.clips, options.clip_seconds, options.clip_megabytes)
    html = page(data, options.title, options.examples, limits, options.table_rows)
    with atomic_path(out) as temporary:
        temporary.write_text(html, encoding="utf-8")
    _logger.info(f"report: {out} ({len(html) / 1e6:.1f} MB)")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(report)

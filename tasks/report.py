"""report: everything a run found, as one HTML page to read, print, send or keep."""

from __future__ import annotations

from pathlib import Path


def report(*, data: Path, out: Path, title: str | None = None, examples: int = 8) -> Path:
    """Write one self-contained HTML page about the outputs of a run.

    The page asks for nothing over the network, escapes whatever comes from the data, and depends on the
    inputs alone: the same outputs give the same bytes. Parts that are not there yet are named as missing.

    Args:
        data: The run's folder, data/<key>, holding ingest/, annotations/, distributions/, validation/, ...
        out: The HTML file to write.
        title: The page's title; the corpus's name by default.
        examples: How many ambiguous utterances to show (0 for none).

    Raises:
        UserError: the folder is missing or holds no outputs.
    """
    from ambivox.models.files import atomic_path
    from ambivox.models.reporting.page import page

    html = page(data, title, examples)
    with atomic_path(out) as temporary:
        temporary.write_text(html, encoding="utf-8")
    print(f"report: {out} ({len(html) / 1e6:.1f} MB)")
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(report)

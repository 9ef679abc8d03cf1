"""What ``reannotate`` shows in the Prefect UI: the leaderboard of a corpus's annotators and the last decisions."""

from __future__ import annotations

from collections.abc import Sequence

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from ambivox.models.annotator_registry.ledger import Entry, Ledger


def publish_decisions(corpus: str, ledger: Ledger, entries: Sequence[Entry], notice: str = "") -> None:
    """Publish ``<corpus>-annotators`` (a table) and ``<corpus>-reannotate`` (the decisions of this run).

    Args:
        corpus: The corpus's key.
        ledger: Its ledger.
        entries: The decisions of this run.
        notice: A warning about the annotator in use, such as that its provider shuts it down.
    """
    key = corpus.replace("_", "-")
    create_table_artifact(
        _leaderboard_rows(ledger) or [{"alm": "none yet"}],
        key=f"{key}-annotators",
        description=f"Annotators of {corpus}, lowest nll on the pilot first, where human votes are pooled with its answers",
    )
    current = ledger.current()
    lines = [f"- {entry}" for entry in entries] or ["- no new ALM or version"]
    in_use = f"In use: {current.alm}@{current.version[:8]}" if current else "No annotator in use yet"
    warning = [f"**{notice}**", ""] if notice else []
    create_markdown_artifact(
        "\n".join([f"# Annotators of {corpus}", "", *warning, *lines, "", in_use]),
        key=f"{key}-reannotate",
        description="Decisions of the last run",
    )


def _leaderboard_rows(ledger: Ledger) -> list[dict[str, float | str]]:
    return [
        {
            name: round(value, 4) if isinstance(value, float) else str(value)
            for name, value in row.items()
            if value is not None
        }
        for row in ledger.leaderboard().iter_rows(named=True)
    ]

"""What was rejected, in a few lines, and errors that end an ingest: what was rejected before is said first, and kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from ambivox.models.errors import UserError
from ambivox.models.ingestion.vote_checks import NO_AUDIO, REJECTED_UTTERANCE

_LONGEST_EXAMPLE = 160  # characters


class IngestError(UserError):
    """A corpus that cannot be ingested, with what was rejected before.

    Attributes:
        rejects: What could not be used, with the columns of REJECTS.
    """

    def __init__(self, message: str, rejects: pl.DataFrame) -> None:
        """Take the message, and the rejects."""
        super().__init__(message)
        self.rejects = rejects


def after_rejects(error: UserError, rejects: pl.DataFrame) -> UserError:
    """Make an error say first how much was rejected before it, and why.

    Args:
        error: The error.
        rejects: What could not be used, with the columns of REJECTS.

    Returns:
        An ``IngestError``; ``error`` itself where nothing was rejected.
    """
    if isinstance(error, IngestError) or not rejects.height:
        return error
    # Votes that were rejected because the audio or the utterance was are no cause.
    reasons = sorted(
        Counter(rejects["reason"]).most_common(),
        key=lambda reason: reason[0] in (NO_AUDIO, REJECTED_UTTERANCE),
    )
    counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons)
    return IngestError(f"rejected: {counts}; {_example(rejects, reasons[0][0])}; then: {error}", rejects)


def reasons_with_examples(rejects: pl.DataFrame, labels: Sequence[str]) -> list[str]:
    """Count what was rejected by reason, in alphabetical order, with an example of each.

    Args:
        rejects: What could not be used, with the columns of REJECTS.
        labels: Those that are known.

    Returns:
        A line per reason; it names the known labels where others were found.
    """
    counts = rejects["reason"].value_counts().sort("reason")
    lines = []
    for reason, count in counts.iter_rows():
        shown = "utterance_id" if "unknown utterance" in reason else "detail"
        example = rejects.filter(pl.col(shown) != "", reason=reason)[shown].min()
        known = f" (known labels: {', '.join(labels)})" if "unknown label" in reason else ""
        lines.append(
            f"{reason}: {count:,}{f', such as {str(example)[:_LONGEST_EXAMPLE]!r}' if example else ''}{known}"
        )
    return lines


def first_reject(rejects: pl.DataFrame) -> IngestError:
    """Make the error for ``on_error="stop"``: file, line, reason, and how many there are.

    Args:
        rejects: One row or more.

    Returns:
        The error.
    """
    row = rejects.row(0, named=True)
    about = ", ".join(row[name] for name in ("utterance_id", "detail") if row[name])
    return IngestError(
        f"{_place(row)}: {row['reason']}{f' ({about})' if about else ''}; the first of {rejects.height} rows that "
        "cannot be used; correct them, or list them in rejects.parquet with --on-error reject",
        rejects,
    )


def no_usable_votes(corpus: str, bad_votes: pl.DataFrame, rejects: pl.DataFrame) -> IngestError:
    """Make the error for a corpus whose votes are all rejected: the most frequent reason, and an example.

    Args:
        corpus: The corpus's key.
        bad_votes: The rejected votes, one or more.
        rejects: Everything that was rejected.

    Returns:
        The error.
    """
    (reason, count), *_ = Counter(bad_votes.sort(*bad_votes.columns, nulls_last=True)["reason"]).most_common(
        1
    )
    return IngestError(
        f"corpus {corpus}: no vote can be used; the most frequent reason: {reason} ({count} of {bad_votes.height} "
        f"rejects), {_example(bad_votes, reason)}; correct the votes or the corpus's options",
        rejects,
    )


def _example(rejects: pl.DataFrame, reason: str) -> str:
    """Name the first row with a reason."""
    row = rejects.filter(reason=reason).sort("line", nulls_last=True).row(0, named=True)
    place, detail = _place(row), row["detail"] or ""
    if place and detail.startswith(place):  # the message about a recording begins with its name
        return f"for example {detail}"
    about = ", ".join(text for text in (row["utterance_id"], detail) if text)
    return f"for example {place}{': ' if place else ''}{about}"


def _place(row: dict[str, object]) -> str:
    return ":".join(str(row[name]) for name in ("file", "line") if row[name] is not None)

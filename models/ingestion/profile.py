"""A corpus in numbers: sizes, votes, agreement, ambiguity and splits; made with every ingest, as JSON and as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ambivox.models.ingestion.splits import split_overlap
from ambivox.models.statistics.agreement import fleiss_kappa, krippendorff_alpha
from ambivox.models.statistics.metrics import entropy
from ambivox.models.tables import SPLITS, Utterances, Votes

ENTROPY_BINS = 12


def corpus_profile(utterances: Utterances, votes: Votes, heldout: Votes) -> dict[str, Any]:
    """Describe a corpus as plain JSON values.

    Figures about votes describe the corpus, so they include the held-out votes.

    Args:
        utterances: The N utterances.
        votes: Their votes, over K labels.
        heldout: The held-out votes, with the same labels.

    Returns:
        Numbers, lists and dicts; None where a figure is not defined. Entropies are in bits, of the votes of an
        utterance, over utterances with two votes or more.
    """
    frame, labels = utterances.frame, votes.labels
    all_votes = Votes(pl.concat([votes.frame, heldout.frame]), labels)
    n_NK = all_votes.counts(frame["utterance_id"])
    votes_N = n_NK.sum(1)
    several_N = votes_N > 1.5  # weights of shared votes sum to whole numbers except for rounding
    bits_M = entropy(n_NK[several_N] / votes_N[several_N, None]) if several_N.any() else np.zeros(0)
    edges = np.linspace(0, np.log2(max(2, len(labels))), ENTROPY_BINS + 1)
    vote_numbers, utterance_counts = np.unique(np.rint(votes_N).astype(int), return_counts=True)
    return {
        "labels": list(labels),
        "utterances": frame.height,
        "speakers": frame["speaker"].n_unique() - bool(frame["speaker"].null_count()),
        "hours": _digits(float(frame["duration_seconds"].sum()) / 3600),
        "longest_seconds": frame["duration_seconds"].max(),
        "annotators": all_votes.frame["annotator_id"].n_unique(),
        "votes": round(float(votes_N.sum())),
        "votes_held_back": round(float(heldout.frame["weight"].sum())),
        "votes_per_utterance": {
            str(votes): int(count) for votes, count in zip(vote_numbers, utterance_counts, strict=True)
        },
        "label_prior": _shares(n_NK.sum(0), labels),
        "fleiss_kappa": _or_none(fleiss_kappa(n_NK)),
        "krippendorff_alpha": _or_none(krippendorff_alpha(n_NK)),
        "mean_entropy_bits": _or_none(float(bits_M.mean())) if len(bits_M) else None,
        "entropy_bits": {"edges": edges.tolist(), "utterances": np.histogram(bits_M, edges)[0].tolist()},
        "splits": {split: _split_profile(frame, votes_N, split) for split in SPLITS},
        "without": {
            "votes": int((votes_N == 0).sum()),
            "transcript": frame["transcript"].null_count(),
            "speaker": frame["speaker"].null_count(),
        },
        "straddling": split_overlap(frame),
    }


def markdown(profile: dict[str, Any]) -> str:
    """Format a profile as tables in Markdown, for a file or a dashboard.

    Args:
        profile: What ``corpus_profile`` returned, or its JSON.

    Returns:
        Markdown; labels, notes and other text from the corpus are escaped.
    """
    lines = [f"# {_plain(profile['corpus'])}", "", "| | |", "|---|---|"]
    lines += [f"| {_plain(name)} | {_plain(value)} |" for name, value in _headline(profile)]
    lines += ["", "| split | utterances | speakers | hours | votes |", "|---|---|---|---|---|"]
    lines += [
        f"| {split} | {figures['utterances']:,} | {figures['speakers']:,} | {figures['hours']:.2f} | {figures['votes']:,} |"
        for split, figures in _splits(profile)
    ]
    lines += ["", "| label | share of votes | votes dropped |", "|---|---|---|"]
    dropped = profile["dropped_votes"]
    lines += [f"| {_plain(label)} | {share:.1%} | |" for label, share in _prior(profile)]
    lines += [f"| {_plain(label)} | | {count:,} |" for label, count in dropped.items()]
    if profile["rejects"]:
        lines += ["", "| rejected | rows |", "|---|---|"]
        lines += [f"| {_plain(reason)} | {count:,} |" for reason, count in profile["rejects"].items()]
    lines += ["", *(f"- {_plain(note)}" for note in profile["notes"])] if profile["notes"] else []
    return "\n".join(lines) + "\n"


def summary(profile: dict[str, Any]) -> str:
    """Format a profile as plain lines for a terminal.

    Args:
        profile: What ``corpus_profile`` returned, or its JSON.

    Returns:
        Lines without control characters, whatever text the corpus holds.
    """
    width = max(len(name) for name, _ in _headline(profile))
    lines = [f"{name:<{width}}  {value}" for name, value in _headline(profile)]
    splits = [
        f"{split} {figures['utterances']:,}" for split, figures in _splits(profile) if figures["utterances"]
    ]
    lines.append(f"{'splits':<{width}}  {', '.join(splits)}")
    prior = ", ".join(f"{label} {share:.1%}" for label, share in _prior(profile))
    lines.append(f"{'labels':<{width}}  {prior}")
    for key in ("dropped_votes", "rejects"):
        if profile[key]:
            counts = ", ".join(f"{name} {count:,}" for name, count in profile[key].items())
            lines.append(f"{key.replace('_', ' '):<{width}}  {counts}")
    lines += [f"note: {note}" for note in profile["notes"]]
    return "\n".join("".join(sign for sign in line if sign.isprintable()) for line in lines)


def _headline(profile: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and text of each headline figure."""
    counts = {int(votes): count for votes, count in profile["votes_per_utterance"].items()}
    mean = profile["votes"] / profile["utterances"] if profile["utterances"] else 0.0
    spread = f"{min(counts)} to {max(counts)}, mean {mean:.2f}" if counts else "none"
    without = profile["without"]
    return [
        ("utterances", f"{profile['utterances']:,}"),
        ("speakers", f"{profile['speakers']:,} ({without['speaker']:,} utterances of unknown speakers)"),
        ("hours", f"{profile['hours']:.2f}"),
        ("votes", f"{profile['votes']:,} ({profile['votes_held_back']:,} held back)"),
        ("votes per utterance", spread),
        ("utterances without usable audio", f"{without['audio']:,}"),
        ("utterances without votes", f"{without['votes']:,}"),
        ("utterances without transcript", f"{without['transcript']:,}"),
        ("Fleiss' kappa", _figure(profile["fleiss_kappa"])),
        ("Krippendorff's alpha", _figure(profile["krippendorff_alpha"])),
        ("mean entropy of votes", f"{_figure(profile['mean_entropy_bits'])} bits"),
        ("speakers in several splits", f"{profile['straddling']['speakers']:,}"),
        ("licence", profile["licence"]),
    ]


def _splits(profile: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The splits in their order, which JSON with sorted keys does not keep."""
    return [(split, profile["splits"][split]) for split in SPLITS]


def _prior(profile: dict[str, Any]) -> list[tuple[str, float]]:
    return [(label, profile["label_prior"][label]) for label in profile["labels"]]


def _split_profile(frame: pl.DataFrame, votes_N: np.ndarray, split: str) -> dict[str, float | int]:
    in_split_N = (frame["split"] == split).to_numpy()
    selected = frame.filter(in_split_N)
    return {
        "utterances": selected.height,
        "speakers": selected["speaker"].drop_nulls().n_unique(),
        "hours": _digits(float(selected["duration_seconds"].sum()) / 3600),
        "votes": round(float(votes_N[in_split_N].sum())),
    }


def _shares(votes_K: np.ndarray, labels: tuple[str, ...]) -> dict[str, float]:
    total = votes_K.sum() or 1.0
    return {label: _digits(float(votes / total)) for label, votes in zip(labels, votes_K, strict=True)}


def _or_none(value: float) -> float | None:
    return _digits(value) if np.isfinite(value) else None


def _digits(value: float) -> float:
    """Round to ten digits: sums on several threads differ beyond, and the same corpus must give the same bytes."""
    return float(f"{value:.10g}")


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _plain(text: object) -> str:
    """Escape text as one line that no renderer takes for markup."""
    line = " ".join(str(text).split())
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]<>#|!~" else sign for sign in line)

"""What a corpus is like, in numbers: made with every ingest, so that nobody works on a corpus unseen."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ambivox.models.ingestion.splits import straddling
from ambivox.models.statistics.agreement import fleiss_kappa, krippendorff_alpha
from ambivox.models.statistics.metrics import entropy
from ambivox.models.tables import SPLITS, Utterances, Votes

ENTROPY_BINS = 12


def profile(utterances: Utterances, votes: Votes, heldout: Votes) -> dict[str, Any]:
    """Describe a corpus as plain numbers, lists and dicts (JSON), ``None`` where a figure is not defined.

    Figures about votes are of all human votes, those held back included: they describe the corpus. Entropy is
    in bits, of an utterance's votes, over utterances with two votes or more.
    """
    frame, labels = utterances.frame, votes.labels
    everyone = Votes(pl.concat([votes.frame, heldout.frame]), labels)
    n_NK = everyone.counts(frame["utterance_id"])
    votes_N = n_NK.sum(1)
    several = votes_N > 1.5  # weights of shared votes sum to whole numbers but for rounding
    bits = entropy(n_NK[several] / votes_N[several, None]) if several.any() else np.zeros(0)
    edges = np.linspace(0, np.log2(max(2, len(labels))), ENTROPY_BINS + 1)
    number, how_many = np.unique(np.rint(votes_N).astype(int), return_counts=True)
    return {
        "labels": list(labels),
        "utterances": frame.height,
        "speakers": frame["speaker"].n_unique() - bool(frame["speaker"].null_count()),
        "hours": _digits(float(frame["duration_seconds"].sum()) / 3600),
        "longest_seconds": frame["duration_seconds"].max(),
        "annotators": everyone.frame["annotator_id"].n_unique(),
        "votes": round(float(votes_N.sum())),
        "votes_held_back": round(float(heldout.frame["weight"].sum())),
        "votes_per_utterance": {
            str(votes): int(count) for votes, count in zip(number, how_many, strict=True)
        },
        "label_prior": _shares(n_NK.sum(0), labels),
        "fleiss_kappa": _defined(fleiss_kappa(n_NK)),
        "krippendorff_alpha": _defined(krippendorff_alpha(n_NK)),
        "mean_entropy_bits": _defined(float(bits.mean())) if len(bits) else None,
        "entropy_bits": {"edges": edges.tolist(), "utterances": np.histogram(bits, edges)[0].tolist()},
        "splits": {split: _split(frame, votes_N, split) for split in SPLITS},
        "without": {
            "votes": int((votes_N == 0).sum()),
            "transcript": frame["transcript"].null_count(),
            "speaker": frame["speaker"].null_count(),
        },
        "straddling": straddling(frame),
    }


def markdown(found: dict[str, Any]) -> str:
    """The profile as tables in Markdown, for a terminal, a file or a dashboard. Names from disk are escaped."""
    lines = [f"# {_plain(found['corpus'])}", "", "| | |", "|---|---|"]
    lines += [f"| {_plain(name)} | {_plain(value)} |" for name, value in rows(found)]
    lines += ["", "| split | utterances | speakers | hours | votes |", "|---|---|---|---|---|"]
    lines += [
        f"| {split} | {its['utterances']:,} | {its['speakers']:,} | {its['hours']:.2f} | {its['votes']:,} |"
        for split, its in _splits(found)
    ]
    lines += ["", "| label | share of votes | votes dropped |", "|---|---|---|"]
    dropped = found["dropped_votes"]
    lines += [f"| {_plain(label)} | {share:.1%} | |" for label, share in _prior(found)]
    lines += [f"| {_plain(label)} | | {count:,} |" for label, count in dropped.items()]
    if found["rejects"]:
        lines += ["", "| rejected | rows |", "|---|---|"]
        lines += [f"| {_plain(reason)} | {count:,} |" for reason, count in found["rejects"].items()]
    lines += ["", *(f"- {_plain(note)}" for note in found["notes"])] if found["notes"] else []
    return "\n".join(lines) + "\n"


def summary(found: dict[str, Any]) -> str:
    """The profile as plain lines for a terminal; nothing that came from disk can move its cursor."""
    width = max(len(name) for name, _ in rows(found))
    lines = [f"{name:<{width}}  {value}" for name, value in rows(found)]
    splits = [f"{split} {its['utterances']:,}" for split, its in _splits(found) if its["utterances"]]
    lines.append(f"{'splits':<{width}}  {', '.join(splits)}")
    prior = ", ".join(f"{label} {share:.1%}" for label, share in _prior(found))
    lines.append(f"{'labels':<{width}}  {prior}")
    for what in ("dropped_votes", "rejects"):
        if found[what]:
            counts = ", ".join(f"{name} {count:,}" for name, count in found[what].items())
            lines.append(f"{what.replace('_', ' '):<{width}}  {counts}")
    lines += [f"note: {note}" for note in found["notes"]]
    return "\n".join("".join(sign for sign in line if sign.isprintable()) for line in lines)


def rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The headline figures, named, as text."""
    counts = {int(votes): count for votes, count in found["votes_per_utterance"].items()}
    mean = found["votes"] / found["utterances"] if found["utterances"] else 0.0
    spread = f"{min(counts)} to {max(counts)}, mean {mean:.2f}" if counts else "none"
    without, crossing = found["without"], found["straddling"]
    return [
        ("utterances", f"{found['utterances']:,}"),
        ("speakers", f"{found['speakers']:,} ({without['speaker']:,} utterances of unknown speakers)"),
        ("hours", f"{found['hours']:.2f}"),
        ("votes", f"{found['votes']:,} ({found['votes_held_back']:,} held back)"),
        ("votes per utterance", spread),
        ("utterances without usable audio", f"{without['audio']:,}"),
        ("utterances without votes", f"{without['votes']:,}"),
        ("utterances without transcript", f"{without['transcript']:,}"),
        ("Fleiss' kappa", _figure(found["fleiss_kappa"])),
        ("Krippendorff's alpha", _figure(found["krippendorff_alpha"])),
        ("mean entropy of votes", f"{_figure(found['mean_entropy_bits'])} bits"),
        ("speakers in several splits", f"{crossing['speakers']:,}"),
        ("licence", found["licence"]),
    ]


def _splits(found: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The splits in their order, which JSON with sorted keys has lost."""
    return [(split, found["splits"][split]) for split in SPLITS]


def _prior(found: dict[str, Any]) -> list[tuple[str, float]]:
    return [(label, found["label_prior"][label]) for label in found["labels"]]


def _split(frame: pl.DataFrame, votes_N: np.ndarray, split: str) -> dict[str, float | int]:
    inside = (frame["split"] == split).to_numpy()
    its = frame.filter(inside)
    return {
        "utterances": its.height,
        "speakers": its["speaker"].drop_nulls().n_unique(),
        "hours": _digits(float(its["duration_seconds"].sum()) / 3600),
        "votes": round(float(votes_N[inside].sum())),
    }


def _shares(votes_K: np.ndarray, labels: tuple[str, ...]) -> dict[str, float]:
    total = votes_K.sum() or 1.0
    return {label: _digits(float(votes / total)) for label, votes in zip(labels, votes_K, strict=True)}


def _defined(figure: float) -> float | None:
    return _digits(figure) if np.isfinite(figure) else None


def _digits(figure: float) -> float:
    """Ten digits: sums on several threads differ beyond, and the same corpus must give the same bytes."""
    return float(f"{figure:.10g}")


def _figure(found: float | None) -> str:
    return "not defined" if found is None else f"{found:.3f}"


def _plain(text: object) -> str:
    """One line that no table or renderer takes for markup."""
    line = " ".join(str(text).split())
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]<>#|!~" else sign for sign in line)

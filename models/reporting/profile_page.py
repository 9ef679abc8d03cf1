"""The profile of a corpus as a page of Markdown and as lines for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ambivox.models.counted import counted
from ambivox.models.reporting.tables import markdown_table, plain_markdown
from ambivox.models.tables import DIMENSIONS, SPLITS


def profile_markdown(profile: Mapping[str, Any]) -> str:
    """Return the profile as tables in Markdown. Text that comes from disk is escaped.

    Args:
        profile: what profile.json holds (``ambivox.models.ingestion.profile``).
    """
    tables: list[tuple[tuple[str, ...], Sequence[tuple[str, ...]]]] = [
        (("", ""), _overview(profile)),
        (
            ("split", "utterances", "speakers", "hours", "votes"),
            [
                (
                    name,
                    f"{split['utterances']:,}",
                    f"{split['speakers']:,}",
                    f"{split['hours']:.2f}",
                    f"{split['votes']:,}",
                )
                for name, split in _splits(profile)
            ],
        ),
        (
            ("label", "share of votes", "votes dropped"),
            [
                *((label, f"{share:.1%}", "") for label, share in _label_prior(profile)),
                *((label, "", f"{count:,}") for label, count in profile["dropped_votes"].items()),
            ],
        ),
    ]
    if profile["rejects"]:
        rejects = [(reason, f"{count:,}") for reason, count in profile["rejects"].items()]
        tables.append((("rejected", "rows"), rejects))
    blocks = [f"# {plain_markdown(profile['corpus'])}"]
    blocks += [markdown_table(columns, rows, plain_markdown) for columns, rows in tables]
    if profile["notes"]:
        blocks.append("\n".join(f"- {plain_markdown(note)}" for note in profile["notes"]))
    return "\n\n".join(blocks) + "\n"


def profile_summary(profile: Mapping[str, Any]) -> str:
    """Return the profile as lines for the terminal, without control characters.

    Args:
        profile: what profile.json holds (``ambivox.models.ingestion.profile``).
    """
    overview = _overview(profile)
    width = max(len(name) for name, _ in overview)
    lines = [f"{name:<{width}}  {value}" for name, value in overview]
    splits = [f"{name} {split['utterances']:,}" for name, split in _splits(profile) if split["utterances"]]
    lines.append(f"{'splits':<{width}}  {', '.join(splits)}")
    prior = ", ".join(f"{label} {share:.1%}" for label, share in _label_prior(profile))
    lines.append(f"{'labels':<{width}}  {prior}")
    for key in ("dropped_votes", "rejects"):
        if profile[key]:
            counts = ", ".join(f"{name} {count:,}" for name, count in profile[key].items())
            lines.append(f"{key.replace('_', ' '):<{width}}  {counts}")
    lines += [f"note: {note}" for note in profile["notes"]]
    return "\n".join("".join(sign for sign in line if sign.isprintable()) for line in lines)


def _overview(profile: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The headline figures, named, as text."""
    utterances_by_votes = {int(votes): count for votes, count in profile["votes_per_utterance"].items()}
    mean = profile["votes"] / profile["utterances"] if profile["utterances"] else 0.0
    votes_range = (
        f"{min(utterances_by_votes)} to {max(utterances_by_votes)}, mean {mean:.2f}"
        if utterances_by_votes
        else "none"
    )
    without = profile["without"]
    return [
        ("utterances", f"{profile['utterances']:,}"),
        (
            "speakers",
            f"{profile['speakers']:,} ({counted(without['speaker'], 'utterance')} of unknown speakers)",
        ),
        ("hours", f"{profile['hours']:.2f}"),
        ("votes", f"{profile['votes']:,} ({profile['votes_held_back']:,} held out)"),
        ("votes per utterance", votes_range),
        ("utterances without usable audio", f"{without['audio']:,}"),
        ("utterances without votes", f"{without['votes']:,}"),
        ("utterances without transcript", f"{without['transcript']:,}"),
        ("Fleiss' kappa", _defined(profile["fleiss_kappa"])),
        ("Krippendorff's alpha", _defined(profile["krippendorff_alpha"])),
        ("mean entropy of votes", _defined(profile["mean_entropy_bits"], " bits")),
        ("speakers in several splits", f"{profile['straddling']['speakers']:,}"),
        ("licence", profile["licence"]),
        *_ratings(profile.get("ratings")),
    ]


def _ratings(ratings: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The dimensions that were rated, a row each."""
    if ratings is None:
        return []
    low, high = ratings["scale"]
    return [
        (
            f"{name} ({low:g} to {high:g})",
            f"mean {_defined(rated['mean'])}, deviation {_defined(rated['deviation'])}, within utterances "
            f"{_defined(rated['deviation_within_utterances'])} ({counted(rated['utterances'], 'utterance')})",
        )
        for name in DIMENSIONS
        if (rated := ratings[name])["utterances"]
    ]


def _splits(profile: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The splits in their order, which JSON with sorted keys has lost."""
    return [(name, profile["splits"][name]) for name in SPLITS]


def _label_prior(profile: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(label, profile["label_prior"][label]) for label in profile["labels"]]


def _defined(figure: float | None, unit: str = "") -> str:
    return "not defined" if figure is None else f"{figure:.3f}{unit}"

"""checks.json: reading it, whichever version wrote it, and leaving out annotators that failed their checks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ambivox.models.step_figures import read_step_figures

# Keys of earlier versions of checks.json, with their present names.
_TOKENS = ("audio", "text", "cached", "output", "reasoning")
RENAMED_KEYS = {"hears": "audio_sensitive", "arms": "modalities", "arm": "modality"}


def read_checks(path: Path) -> dict[str, Any]:
    """The content of a checks.json with the present key names.

    Args:
        path: the file.

    Returns:
        Its content; empty where there is no such file.

    Raises:
        UserError: the file is damaged.
    """
    return rename_checks(read_step_figures(path)) if path.exists() else {}


def rename_checks(checks: Mapping[str, Any]) -> dict[str, Any]:
    """Replace the keys of earlier versions of checks.json by their present names.

    Args:
        checks: the content of a checks.json of any version.

    Returns:
        The same content; present names take precedence.

    Example:
        >>> rename_checks({"hears": False, "answers": 3})
        {'audio_sensitive': False, 'answers': 3}
    """
    renamed = {RENAMED_KEYS.get(key, key): value for key, value in checks.items()}
    return renamed | {key: value for key, value in checks.items() if key not in RENAMED_KEYS}


def hosted_summary(checks: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Names and values that say what was sent where, which model answered, and what it cost.

    Args:
        checks: the content of a checks.json.

    Returns:
        Empty for an ALM that ran on own machines.

    Example:
        >>> hosted_summary({"hosted": {"sent_to": "https://host/v1", "requests": 3, "cost_usd": 0.5}})[:3]
        [('sent to', 'https://host/v1'), ('recordings sent', None), ('answered by', None)]
    """
    hosted = checks.get("hosted")
    if not isinstance(hosted, Mapping):
        return []
    tokens = hosted.get("tokens")
    counts = {name: tokens.get(name) for name in _TOKENS} if isinstance(tokens, Mapping) else {}
    answered_by = hosted.get("answered_by")
    models = answered_by if isinstance(answered_by, list) else []
    return [
        ("sent to", hosted.get("sent_to")),
        ("recordings sent", hosted.get("clips_sent")),
        ("answered by", ", ".join(map(str, models)) or None),
        ("paid requests", hosted.get("requests")),
        ("cost (USD)", hosted.get("cost_usd")),
        *((f"{name} tokens", count) for name, count in counts.items()),
        *([("shut down on", hosted["shutdown"])] if hosted.get("shutdown") else []),
    ]


def drop_audio_insensitive(
    files: tuple[Path, ...], *, allow_audio_insensitive: bool = False
) -> tuple[tuple[Path, ...], list[str]]:
    """Leave out the annotations of audio-insensitive annotators, according to checks.json beside each file.

    Args:
        files: annotations.parquet files.
        allow_audio_insensitive: keep all files.

    Returns:
        The files whose annotator is audio-sensitive or was not checked, and a sentence about each of the others.
    """
    if allow_audio_insensitive:
        return files, []
    kept, sentences = [], []
    for file in files:
        checks = read_checks(file.parent / "checks.json")
        if checks.get("audio_sensitive") is False:
            sentences.append(
                f"{checks.get('alm', file.parent)} is audio-insensitive (its answers hardly change when the audio is "
                "swapped), so it is not pooled; --allow-audio-insensitive pools it"
            )
        else:
            kept.append(file)
    return tuple(kept), sentences

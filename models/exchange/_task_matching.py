"""Which utterance a task is about: by its id, by an id that became a number, or by its audio."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from ambivox.models.ingestion.recordings import AUDIO_SUFFIXES
from ambivox.models.ingestion.vote_checks import UNKNOWN_UTTERANCE
from ambivox.models.tables import Utterances

# Label Studio puts eight hexadecimal digits before the name of a file that is uploaded, writes _ for blanks, and leaves out
# what is no letter, digit, -, _ or dot (django.utils.text.get_valid_filename).
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
_LEFT_OUT = re.compile(r"[^-\w.]")
_MOST_NAMED = 3  # utterances in a message
_SEVERAL = "vote for a recording of several utterances"


class Match(NamedTuple):
    """The utterance of a task; None where there is none, with the reason and what was found."""

    utterance_id: str | None
    problem: str = ""
    detail: str = ""


class UtteranceFinder:
    """Finds utterances by what tasks say about them.

    Args:
        utterances: The utterances that tasks may be about.
        id_field: The name of the task's field with the utterance's id, or with its audio.
    """

    def __init__(self, utterances: Utterances, id_field: str = "utterance_id") -> None:
        frame = utterances.frame
        self._id_field = id_field
        self._ids = frozenset(frame["utterance_id"])
        self._by_number = _unique(
            (name.lstrip("0"), name) for name in self._ids if name.isascii() and name.isdigit()
        )
        tails = [
            (tail, name)
            for name, audio in frame.select("utterance_id", "audio").iter_rows()
            for tail in _tails(_path_of(audio))
        ]
        self._names_of = _names(tails)
        self._names_of_spelling = _names((_spelling(tail), name) for tail, name in tails)
        self._names_of_upload = _names((_upload(tail), name) for tail, name in tails if "/" not in tail)

    def find(self, data: Mapping[str, Any]) -> Match:
        """The utterance of a task.

        Args:
            data: The task's data.

        Returns:
            Its id; where nothing in the data belongs to exactly one utterance, why not.
        """
        text = self.given_id(data)
        if text in self._ids:
            return Match(text)
        number = text.removesuffix(".0")
        if number.isascii() and number.isdigit() and (name := self._by_number.get(number.lstrip("0"))):
            return Match(name)
        recordings = _recordings_of(data)
        if text:
            # The field that is named may hold the audio; another field is no id.
            recordings = {self._id_field: text} if _is_recording(text) else {}
        elif len(recordings) > 1:
            fields = ", ".join(map(repr, recordings))
            return Match(
                None,
                UNKNOWN_UTTERANCE,
                f"audio in several fields, {fields}: name the one that was heard by --id-field",
            )
        audio = next(iter(recordings.values()), "")
        names = self._of_audio(audio) if audio else []
        if len(names) == 1:
            return Match(names[0])
        if names:
            shown = ", ".join(map(repr, names[:_MOST_NAMED])) + (", ..." if len(names) > _MOST_NAMED else "")
            return Match(None, _SEVERAL, f"{audio} may be of {shown}")
        return Match(None, UNKNOWN_UTTERANCE, text or audio or "neither an id nor audio")

    def given_id(self, data: Mapping[str, Any]) -> str:
        """The id that a task names; "" where it names none.

        Args:
            data: The task's data.
        """
        given = data.get(self._id_field)
        try:
            return str(given).strip() if isinstance(given, str | int | float) else ""
        except ValueError:  # a number of more than 4,300 digits
            return ""

    def _of_audio(self, audio: str) -> list[str]:
        """The utterances whose audio has the longest end of the path in common."""
        path = _path_of(audio)
        fitting: list[str] = []
        for tail in _tails(path):
            names = self._names_of.get(tail) or self._names_of_spelling.get(_spelling(tail), [])
            if len(names) == 1:
                return names
            fitting = fitting or names
        file = path.rpartition("/")[2]
        return fitting or self._names_of_upload.get(_upload(_UPLOADED.sub("", file)), [])


def _recordings_of(data: Mapping[str, Any]) -> dict[str, str]:
    """The recordings of a task by their fields: its field audio alone, or all that name a recording."""
    audio = data.get("audio")
    if isinstance(audio, str) and audio.strip():
        return {"audio": audio}
    return {
        str(name): value for name, value in data.items() if isinstance(value, str) and _is_recording(value)
    }


def _is_recording(text: str) -> bool:
    return _path_of(text).lower().endswith(AUDIO_SUFFIXES)


def _path_of(audio: str) -> str:
    """The path in an address: of local files, of a signed address, or a plain path."""
    parts = urlsplit(audio) if "://" in audio or audio.startswith("/data/") else None
    if parts is None:
        return audio.replace("\\", "/")
    local = parse_qs(parts.query).get("d")
    return local[0] if local else unquote(parts.path)


def _tails(path: str) -> list[str]:
    """The ends of a path, the longest first: ``a/b/c.wav``, ``b/c.wav``, ``c.wav``."""
    parts = [part for part in path.split("/") if part]
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _spelling(path: str) -> str:
    """A path as other systems spell it: letters composed (NFC), and the file's suffix in small letters."""
    stem, dot, suffix = unicodedata.normalize("NFC", path).rpartition(".")
    return f"{stem}{dot}{suffix.casefold()}"


def _upload(file: str) -> str:
    """The name that Label Studio gives a file that is uploaded, without the digits before it."""
    return _spelling(_LEFT_OUT.sub("", file.strip().replace(" ", "_")))


def _names(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The names of every key, in order."""
    names: dict[str, set[str]] = defaultdict(set)
    for key, name in pairs:
        names[key].add(name)
    return {key: sorted(found) for key, found in names.items()}


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The pairs whose key belongs to one name only."""
    return {key: names[0] for key, names in _names(pairs).items() if len(names) == 1}

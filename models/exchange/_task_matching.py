"""Which utterance a task is about: by its id, by an id that became a number, or by its audio."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ambivox.models.tables import Utterances

# Label Studio puts eight hexadecimal digits before the name of a file that is uploaded.
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")


class UtteranceFinder:
    """Finds utterances by what tasks say about them.

    Args:
        utterances: The utterances that tasks may be about.
        id_field: The name of the task's field with the utterance's id.
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
        self._by_tail = _unique(tails)
        self._by_spelling = _unique((_spelling(tail), name) for tail, name in tails)

    def find(self, data: Mapping[str, Any]) -> str | None:
        """The utterance of a task.

        Args:
            data: The task's data.

        Returns:
            Its id; None where nothing in the data belongs to exactly one utterance.
        """
        text = self.given_id(data)
        if text in self._ids:
            return text
        number = text.removesuffix(".0")
        if number.isascii() and number.isdigit() and (name := self._by_number.get(number.lstrip("0"))):
            return name
        audio = data.get("audio")
        return self._by_audio(audio) if isinstance(audio, str) and not text else None

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

    def looked_for(self, data: Mapping[str, Any]) -> str:
        """By what a task's utterance is looked for: its id, or its audio; "" where there is neither.

        Args:
            data: The task's data.
        """
        audio = data.get("audio")
        return self.given_id(data) or (audio if isinstance(audio, str) else "")

    def _by_audio(self, audio: str) -> str | None:
        """The utterance whose audio has the longest end of the path in common, where there is only one."""
        path = _path_of(audio)
        folder, separator, file = path.rpartition("/")
        for candidate in dict.fromkeys((path, f"{folder}{separator}{_UPLOADED.sub('', file)}")):
            for tail in _tails(candidate):
                if name := self._by_tail.get(tail) or self._by_spelling.get(_spelling(tail)):
                    return name
        return None


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


def _unique(pairs: Iterable[tuple[Any, str]]) -> dict[Any, str]:
    """The pairs whose key belongs to one name only."""
    names: dict[Any, set[str]] = defaultdict(set)
    for key, name in pairs:
        names[key].add(name)
    return {key: next(iter(found)) for key, found in names.items() if len(found) == 1}

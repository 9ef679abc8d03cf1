"""From work items to requests: audio is decoded in parallel, long clips are cut into windows, bad items are rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.annotation.elicitation import Question
from ambivox.models.annotation.long_clips import ITEM_REJECTS, OnLong, too_long
from ambivox.models.annotation.vote_store import SCHEMA
from ambivox.models.annotation.work_items import ITEMS
from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.clips import Clip, clips
from ambivox.models.audio.decoding import decode_many, windows
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.request import Request


class ItemRequests:
    """The requests of one shard, and a record of the items that were rejected on the way.

    Args:
        items: rows of ITEMS, each key once, the items of a clip adjacent.
        questions: what the column ``question`` indexes.
        resolved: the ALM, whose sample rate and maximum duration apply.
        on_long: see ``OnLong``.
        advance: is called with 1 after each decoded clip.
    """

    def __init__(
        self,
        items: pl.DataFrame,
        questions: tuple[Question, ...],
        resolved: ResolvedAlm,
        on_long: OnLong,
        advance: Callable[[int], None],
    ) -> None:
        self.items = items
        self._questions = questions
        self._alm = resolved.alm
        self._on_long = on_long
        self._advance = advance
        self._rejected: dict[int, tuple[str, str]] = {}
        self._columns = {name: items[name].to_list() for name in ITEMS}
        self._clips = clips(items)

    def question(self, row: int) -> Question:
        """The question of an item."""
        return self._questions[self._columns["question"][row]]

    def key(self, row: int) -> str:
        """The key of an item."""
        return str(self._columns["key"][row])

    def requests(self, rows: NDArray[np.int64]) -> Iterator[tuple[int, float, Request]]:
        """The requests of these items.

        Args:
            rows: row numbers in ``items``.

        Yields:
            (row, duration in seconds, request), one per window; the requests of a window are adjacent. The duration
            is 1 where the model is given no audio.
        """
        is_text_only = np.array(
            [self.question(row).prompt.modality == "transcript" for row in rows], dtype=bool
        )
        for row in rows[is_text_only].tolist():
            transcript = self._columns["transcript"][row]
            if transcript and transcript.strip():
                name = f"{self._columns['audio_sha256'][row]}:transcript"
                yield row, 1.0, self._request(row, None, name)
            else:
                self._rejected[row] = (
                    "no transcript",
                    "--modality transcript needs a transcript, found none",
                )
        rate_hz = self._alm.rate_hz
        for clip_rows, audio in self._decoded_clips(rows[~is_text_only]):
            if isinstance(audio, AudioError):
                for row in clip_rows:
                    self._rejected[row] = (audio.reason, str(audio))
                continue
            for index, window in enumerate(windows(audio, rate_hz, self._alm.longest_seconds)):
                for row in clip_rows:
                    name = f"{self._columns['audio_sha256'][row]}:{index}"
                    yield row, len(window) / rate_hz, self._request(row, window, name)
            self._advance(1)

    def answers(self, rows: NDArray[np.int64], **columns: Any) -> pl.DataFrame:
        """Rows of the vote store for these items.

        Args:
            rows: row numbers in ``items``.
            **columns: the values of further columns; columns that are not given are null.

        Returns:
            One row per item (``vote_store.SCHEMA``).
        """
        items = self.items[rows.tolist()]
        prompts = {
            number: self._questions[number].prompt.sha256() for number in items["question"].unique().to_list()
        }
        known = {
            "key": items["key"],
            "audio_sha256": items["audio_sha256"],
            "prompt_sha256": items["question"].replace_strict(prompts, return_dtype=pl.String),
            **columns,
        }
        nulls = {name: [None] * len(rows) for name in SCHEMA if name not in known}
        return pl.DataFrame(known | nulls, schema_overrides=SCHEMA).select(list(SCHEMA))

    def rejects(self) -> pl.DataFrame:
        """The rejected items (ITEM_REJECTS), in the order of ``items``; complete once all requests were consumed."""
        rows = sorted(self._rejected)
        columns = {
            "key": [self.key(row) for row in rows],
            "reason": [self._rejected[row][0] for row in rows],
            "detail": [self._rejected[row][1] for row in rows],
        }
        return pl.DataFrame(columns, schema=ITEM_REJECTS)

    def _decoded_clips(
        self, rows: NDArray[np.int64]
    ) -> Iterator[tuple[list[int], NDArray[np.float32] | AudioError]]:
        """The rows of each clip with its samples, or with the reason why it cannot be used."""
        heard: list[Clip] = []
        expected: list[str] = []
        rows_of_clip: list[list[int]] = []
        for row in rows.tolist():
            clip = self._clips[row]
            if not heard or heard[-1] != clip:
                heard.append(clip)
                expected.append(self._columns["audio_sha256"][row])
                rows_of_clip.append([])
            rows_of_clip[-1].append(row)
        rate_hz, limit = self._alm.rate_hz, self._alm.longest_seconds
        # The answers are stored under the hash that ingest noted, so the file must still be the one it hashed.
        for index, audio in decode_many(heard, rate_hz, sha256=expected):
            if (
                self._on_long == "error"
                and not isinstance(audio, AudioError)
                and len(audio) > limit * rate_hz
            ):
                detail = too_long(len(audio) / rate_hz, limit)
                yield rows_of_clip[index], AudioError(str(heard[index]), "too long", detail)
            else:
                yield rows_of_clip[index], audio

    def _request(self, row: int, audio: NDArray[np.float32] | None, name: str) -> Request:
        return Request(self.question(row).prompt, audio, name, self._columns["transcript"][row])

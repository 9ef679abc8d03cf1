"""A real ALM behind the local hosted server: it answers what the chat messages ask, as a provider's model would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Thread

import numpy as np
from numpy.typing import NDArray

from ambivox.models.engines import Engine
from ambivox.models.prompting.personas import Persona
from ambivox.models.prompting.prompts import Prompt
from ambivox.models.prompting.request import Request

_PROMPT = re.compile(
    r'(?:The speaker says: "(?P<transcript>.*)"\. )?Which emotion does the speaker express\? '
    r"Options: (?P<options>[^.]*)\. Answer with (?:one letter|a JSON object [^.]*)\.(?: (?P<focus>.*))?"
)
_MAX_BATCH = 32


@dataclass
class _Waiting:
    request: Request
    answered: Event
    logprobs_K: NDArray[np.float64] | None = None


class AlmBehindServer:
    """Scores the requests of concurrent HTTP calls in batches, and the same request once.

    Args:
        engine: runs the ALM.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[str, str], NDArray[np.float64]] = {}
        self._queue: SimpleQueue[_Waiting] = SimpleQueue()
        Thread(target=self._work, daemon=True).start()

    def logprobs(self, text: str, audio: NDArray[np.float32] | None, name: str) -> NDArray[np.float64]:
        """The log-probabilities of the answer codes, shape (K,).

        Args:
            text: the text of the message.
            audio: the samples at 16 kHz that came with it, or None.
            name: identifies the audio.
        """
        if (text, name) in self._known:
            return self._known[text, name]
        match = _PROMPT.fullmatch(text)
        assert match, text
        labels = tuple(option.partition(" ")[2] for option in match["options"].split(", "))
        transcript = match["transcript"]
        modality = "transcript" if audio is None else "audio" if transcript is None else "both"
        prompt = Prompt(Persona("", match["focus"] or ""), tuple(range(len(labels))), labels, modality)
        waiting = _Waiting(Request(prompt, audio, name, transcript), Event())
        self._queue.put(waiting)
        waiting.answered.wait()
        assert waiting.logprobs_K is not None
        self._known[text, name] = waiting.logprobs_K
        return waiting.logprobs_K

    def _work(self) -> None:
        while True:
            batch = [self._queue.get(), *self._at_hand()]
            for has_audio in (True, False):
                same = [one for one in batch if (one.request.audio is not None) == has_audio]
                if not same:
                    continue
                rows_RK = self._engine.score([one.request for one in same]).logprobs_RK
                for one, row_K in zip(same, rows_RK, strict=True):
                    one.logprobs_K = row_K
                    one.answered.set()

    def _at_hand(self) -> Iterator[_Waiting]:
        for _ in range(_MAX_BATCH - 1):
            try:
                yield self._queue.get_nowait()
            except Empty:
                return

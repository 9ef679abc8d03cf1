"""What a run on a hosted ALM will cost, before anything is sent, and what it has cost."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ambivox.models.annotation.elicitation import Question
from ambivox.models.engines._bounded_http import shown_address
from ambivox.models.engines.hosted.answer import Usage
from ambivox.models.engines.hosted.engine import HostedEngine
from ambivox.models.engines.hosted.limits import MAX_OPEN
from ambivox.models.engines.hosted.planned import CHARACTERS_PER_TOKEN, LETTER_TOKENS
from ambivox.models.errors import UserError
from ambivox.models.prompting.alm_spec import Alm

_logger = logging.getLogger(__name__)

# After so many clips the price per request is known from the endpoint's own count of tokens.
PILOT_CLIPS = 20
# A typical answer takes about this long; as many as may be open are asked for at the same time.
_SECONDS_PER_REQUEST = 2.0


@dataclass(frozen=True)
class CostEstimate:
    """The size and price of the requests that are not answered yet.

    Attributes:
        clips: distinct clips whose audio leaves this machine.
        audio_seconds: their total duration.
        requests: requests to the endpoint.
        usage: tokens; reasoning is not known in advance.
        cost: US dollars; None where the prices are not known.
        minutes: time at the known limits.
    """

    clips: int
    audio_seconds: float
    requests: int
    usage: Usage
    cost: float | None
    minutes: float

    def check(self, limit: float | None) -> None:
        """Check that the requests cost no more than is allowed.

        Args:
            limit: US dollars that may be spent; None without a limit.

        Raises:
            UserError: they are expected to.
        """
        if self.cost is not None and limit is not None and self.cost > limit:
            raise UserError(
                f"the run is expected to cost {self.cost:.2f} USD, more than the {limit:g} USD of --max-cost; nothing was "
                "sent"
            )

    def describe(self) -> str:
        """The estimate in one line."""
        price = "at a price that is not known" if self.cost is None else f"for about {self.cost:.2f} USD"
        return (
            f"{self.requests} requests about {self.clips} clips ({self.audio_seconds / 60:.1f} minutes of audio), about "
            f"{self.usage.audio} audio, {self.usage.text} text and {self.usage.output} output tokens, {price}, in about "
            f"{max(self.minutes, 1):.0f} min"
        )


def estimate_cost(
    items: pl.DataFrame, seconds: dict[str, float], questions: tuple[Question, ...], alm: Alm
) -> CostEstimate:
    """The cost of answering these items.

    Args:
        items: rows of ITEMS that are not answered yet.
        seconds: the duration of each clip by its ``audio_sha256``.
        questions: what the items' column ``question`` indexes.
        alm: the specification of a hosted ALM.

    Returns:
        The estimate: each item is one request per window, with the tokens of its audio and its text.
    """
    hosted = alm.hosted
    assert hosted is not None
    uses_audio_Q = np.array([question.prompt.modality != "transcript" for question in questions])
    text_Q = np.array([len(question.prompt.text()) for question in questions]) / CHARACTERS_PER_TOKEN
    output_Q = np.array(
        [60 if question.prompt.elicitation == "verbalised" else LETTER_TOKENS / 4 for question in questions]
    )
    question_N = items["question"].to_numpy()
    seconds_N = (
        np.array([seconds.get(clip, 0.0) for clip in items["audio_sha256"]]) * uses_audio_Q[question_N]
    )
    windows_N = np.maximum(np.ceil(seconds_N / alm.longest_seconds), 1)
    # A sampled vote is about one window.
    is_sampled_Q = np.array([question.prompt.elicitation == "sampled" for question in questions])
    seconds_N = np.where(is_sampled_Q[question_N], seconds_N / windows_N, seconds_N)
    windows_N = np.where(is_sampled_Q[question_N], 1, windows_N)
    transcript_N = np.array([len(text or "") for text in items["transcript"]]) / CHARACTERS_PER_TOKEN
    usage = Usage(
        text=int(((text_Q[question_N] + transcript_N) * windows_N).sum()),
        audio=int((seconds_N * hosted.audio_tokens_per_second).sum()),
        output=int((output_Q[question_N] * windows_N).sum()),
    )
    sent = items.filter(pl.Series(uses_audio_Q[question_N], dtype=pl.Boolean)) if items.height else items
    clips = sent["audio_sha256"].unique()
    requests = int(windows_N.sum())
    per_minute = hosted.requests_per_minute or 60.0 * MAX_OPEN / _SECONDS_PER_REQUEST
    if hosted.tokens_per_minute and requests:
        tokens = (usage.text + usage.audio + usage.output) / requests
        per_minute = min(per_minute, hosted.tokens_per_minute / max(tokens, 1.0))
    audio_seconds = sum(seconds.get(clip, 0.0) for clip in clips)
    cost = usage.cost(hosted.prices)
    return CostEstimate(len(clips), audio_seconds, requests, usage, cost, requests / per_minute)


def check_pilot(
    engine: HostedEngine, remaining: CostEstimate, limit: float | None, *, in_batch: bool = False
) -> None:
    """Stop after the pilot where the whole run would cost more than is allowed.

    Args:
        engine: has answered the pilot.
        remaining: the estimate for the requests after it.
        limit: US dollars that may be spent; None without a limit.
        in_batch: whether these are sent as batches, at a lower price.

    Raises:
        UserError: the endpoint's own count of tokens predicts a cost above the limit.
    """
    spent = engine.asker.spent()
    cost, requests = spent.cost(engine.hosted), spent.requests
    further = engine.asker.meter.cost_of(remaining.requests, in_batch=in_batch)
    if cost is None or further is None:
        return
    expected = cost + further
    _logger.info(f"the first {requests} requests cost {cost:.4f} USD; all will cost about {expected:.2f} USD")
    if limit is not None and expected > limit:
        raise UserError(
            f"after {requests} requests the run is expected to cost {expected:.2f} USD, more than the {limit:g} USD of "
            "--max-cost; paid answers are kept; raise --max-cost, or annotate fewer utterances"
        )


def usage_report(engine: HostedEngine) -> dict[str, Any]:
    """What was sent where, and paid, for checks.json: all answers about the run's clips, also those of earlier runs.

    Args:
        engine: the engine of the run.
    """
    hosted = engine.hosted
    spent = engine.asker.spent()
    cost = spent.cost(hosted)
    return {
        "provider": hosted.provider,
        "sent_to": shown_address(hosted.base_url),
        "model": hosted.model,
        "answered_by": engine.asker.answered_by(),
        "clips_sent": spent.clips,
        "requests": spent.requests,
        "requests_not_counted": spent.uncounted,
        "tokens": vars(spent.usage),
        "cost_usd": None if cost is None else round(cost, 4),
        "prices_checked": hosted.checked.isoformat() if hosted.checked else None,
        "shutdown": hosted.shutdown.isoformat() if hosted.shutdown else None,
        "terms": hosted.terms,
    }

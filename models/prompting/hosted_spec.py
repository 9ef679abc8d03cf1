"""An ALM behind a provider's API: where it is, what it accepts, what it costs, and under which terms.

The figures of a file in models/alms/ are copied from the provider's documentation on the date in ``checked``. They
change; `ambivox doctor` names files that are old.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

# So many days before a model is no longer served, its users are warned.
WARNING_DAYS = 90


def shutdown_notice(alm: str, shutdown: date | None, today: date) -> str:
    """A warning that a hosted ALM is about to be shut down; "" where none is due.

    Args:
        alm: its name.
        shutdown: the day from which the provider no longer serves it; None where none is announced.
        today: the day of today.

    Examples:
        >>> shutdown_notice("a", date(2026, 12, 1), date(2026, 11, 26))
        'a is shut down by its provider on 2026-12-01, in 5 days: choose its successor with the flow reannotate in time'
        >>> shutdown_notice("a", date(2027, 12, 1), date(2026, 11, 26))
        ''
    """
    if shutdown is None or (shutdown - today).days > WARNING_DAYS:
        return ""
    days = (shutdown - today).days
    when = (
        f"is shut down by its provider on {shutdown}, in {days} days"
        if days > 0
        else f"was shut down on {shutdown}"
    )
    return f"{alm} {when}: choose its successor with the flow reannotate" + (" in time" if days > 0 else "")


@dataclass(frozen=True)
class Prices:
    """Prices in US dollars per million tokens.

    Attributes:
        text: of text in the prompt.
        audio: of audio in the prompt.
        output: of everything generated, reasoning included.
        cached_share: the price of a cached token in the prompt, as a share of the full one; 1 where no cached price is
            known.
    """

    text: float
    audio: float
    output: float
    cached_share: float = 1.0


@dataclass(frozen=True)
class Hosted:
    """How a hosted ALM is reached, and its limits.

    Attributes:
        provider: the provider's name.
        base_url: the address of its OpenAI-compatible API, up to and including the version.
        model: the provider's name of the model.
        key_variable: the environment variable that holds the API key.
        needs_key: whether every request needs a key.
        audio_formats: what the endpoint takes, "wav" or "mp3"; the first is sent.
        audio_prefix: what precedes the base64 text of the audio.
        max_request_megabytes: the size of a request's audio after encoding, at most.
        parameters: optional parameters that the endpoint is known to accept.
        extra_parameters: further parameters of every request, such as the effort of reasoning.
        top_logprobs: how many log-probabilities per token the endpoint returns; 0 for none.
        prices: prices; None where they are not known.
        batch_price: the price of a request in a batch file, as a share of the full price.
        audio_tokens_per_second: how the provider counts audio.
        requests_per_minute: at most; None without a known limit.
        tokens_per_minute: at most; None without a known limit.
        terms: where the terms on using outputs are.
        shutdown: the day from which the provider no longer serves the model; None where none is announced.
        checked: the day on which the figures were taken.
        source: where they were taken from.
    """

    provider: str
    base_url: str
    model: str
    key_variable: str
    needs_key: bool = True
    audio_formats: tuple[str, ...] = ("wav",)
    audio_prefix: str = ""
    max_request_megabytes: float = 20.0
    parameters: tuple[str, ...] = ("temperature", "seed", "max_tokens")
    extra_parameters: dict[str, Any] = field(default_factory=dict)
    top_logprobs: int = 0
    prices: Prices | None = None
    batch_price: float = 0.5
    audio_tokens_per_second: float = 25.0
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    terms: str = ""
    shutdown: date | None = None
    checked: date | None = None
    source: str = ""

    def with_prices(self, prices: tuple[float, ...]) -> Hosted:
        """The same with other prices.

        Args:
            prices: per million text, audio and output tokens; empty for those that are known.
        """
        return replace(self, prices=Prices(*prices), checked=None) if prices else self

"""OpenAI's gpt-audio by its API: chat completions with audio input. No log-probabilities are documented for audio."""

from datetime import date

from ambivox.models.prompting.alm_spec import hosted_alm
from ambivox.models.prompting.hosted_spec import Hosted, Prices

ALM = hosted_alm(
    Hosted(
        provider="OpenAI",
        base_url="https://api.openai.com/v1",
        model="gpt-audio-1.5",
        key_variable="OPENAI_API_KEY",
        audio_formats=("wav", "mp3"),
        parameters=("temperature", "seed", "max_completion_tokens"),
        extra_parameters={"modalities": ["text"]},
        prices=Prices(text=2.50, audio=32.00, output=10.00),
        audio_tokens_per_second=10.0,
        requests_per_minute=500.0,
        tokens_per_minute=30_000.0,
        terms="https://openai.com/policies",
        checked=date(2026, 5, 7),
        source="https://platform.openai.com/docs/models/gpt-audio and price lists of third parties; limits of tier 1",
    ),
    tested="against a local server that behaves like the documented endpoint; the provider was never reached",
    longest_seconds=300.0,
)

"""Gemini 2.5 Flash by Google's API, through its OpenAI-compatible endpoint. No log-probabilities there.

The paper's own annotator was a preview of Gemini 2.5 Pro, which is switched off.
"""

from datetime import date

from ambivox.models.prompting.alm_spec import hosted_alm
from ambivox.models.prompting.hosted_spec import Hosted, Prices

ALM = hosted_alm(
    Hosted(
        provider="Google",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        model="gemini-2.5-flash",
        key_variable="GEMINI_API_KEY",
        audio_formats=("wav", "mp3"),
        parameters=("temperature", "seed", "max_tokens", "response_format"),
        extra_parameters={"reasoning_effort": "none"},
        # Third parties quote 10 to 25 % of the full price for cached tokens: the higher figure keeps the limit of cost.
        prices=Prices(text=0.30, audio=1.00, output=2.50, cached_share=0.25),
        audio_tokens_per_second=32.0,
        terms="https://ai.google.dev/gemini-api/terms",
        checked=date(2026, 5, 16),
        source="https://ai.google.dev/gemini-api/docs/pricing, as quoted by third parties",
    ),
    tested="against a local server that behaves like the documented endpoint; the provider was never reached",
    longest_seconds=300.0,
)

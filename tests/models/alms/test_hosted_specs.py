"""The files of hosted ALMs are complete, and `ambivox doctor` says how old they are."""

from __future__ import annotations

from datetime import date

import pytest

from ambivox.flows import diagnostics
from ambivox.models.alms import alms, resolve

HOSTED = {key: alm.hosted for key, alm in alms().items() if alm.hosted is not None}


def test_there_are_hosted_alms() -> None:
    assert {hosted.provider for hosted in HOSTED.values()} == {"OpenAI", "Google", "Alibaba Cloud"}


@pytest.mark.parametrize("key", sorted(HOSTED))
def test_a_hosted_alm_is_complete(key: str) -> None:
    hosted = HOSTED[key]
    assert hosted.base_url.startswith("https://") and hosted.key_variable.endswith("_API_KEY")
    assert hosted.terms.startswith("https://") and set(hosted.audio_formats) <= {"wav", "mp3"}
    assert hosted.prices is None or (hosted.checked and hosted.source)
    resolved = resolve(key)
    assert resolved.revision == hosted.model and not resolved.is_local


def test_doctor_names_keys_and_the_age_of_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    findings = {
        finding.advice.split()[1]: finding for finding in diagnostics._hosted_alms(date(2026, 11, 26))
    }
    assert findings["gpt_audio"].state == "ok" and "sk-secret" not in str(findings)
    assert findings["gemini_2_5_flash"].state == "optional"
    assert (
        "GEMINI_API_KEY is not set; prices of 2026-05-16 (194 days old)" in findings["gemini_2_5_flash"].found
    )
    assert "prices are not known" in findings["qwen_omni_api"].found

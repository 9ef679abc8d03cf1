"""Consent to a hosted ALM is asked once, recorded as a mark of the corpus, and what the stage annotate goes by."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ambivox.flows.hosted_consent import is_agreed
from ambivox.flows.job import Job
from ambivox.flows.params_file import changing, load
from ambivox.flows.project import enter
from ambivox.flows.stage_arguments import stage_call
from ambivox.models.errors import UserError
from tests.flows.test_params import write_corpus

PARAMS = "corpora: {}\npretrain: {}\ntrial: {}\nmatrix: {corpora: [], sources: [], dime_aug: []}\nseed: 0\n"


class Terminal:
    """A terminal at which a person types."""

    def __init__(self, *typed: str) -> None:
        self.typed = list(typed)

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.typed.pop(0) + "\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "params.yaml").write_text(PARAMS)
    write_corpus(tmp_path / "calls")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def job(alm: str, allow_hosted: bool = False) -> Job:
    return Job("calls", "table", Path("calls"), alm, {}, None, ("human",), ("on",), allow_hosted)


def is_allowed(project: Path) -> bool:
    options = stage_call(project, "annotate@calls").arguments["options"]
    assert not (options.dry_run or options.yes)
    return bool(options.allow_hosted)


@pytest.mark.parametrize("alm", ["gpt_audio", "gemini_2_5_flash", "qwen_omni_api", "hosted:some-model"])
def test_without_a_terminal_consent_is_a_flag(
    project: Path, alm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UserError, match=r"recordings of calls would be sent to .* add --allow-hosted"):
        is_agreed(project, job(alm))


def test_a_further_alm_that_is_hosted_needs_consent_too(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    further = replace(job("qwen2_audio"), settings={"annotate": {"more_alms": ["voxtral_mini", "gpt_audio"]}})
    with pytest.raises(UserError, match="recordings of calls would be sent to OpenAI"):
        is_agreed(project, further)
    enter(project, further)
    with pytest.raises(UserError, match="would be sent to OpenAI"):  # as it was entered
        is_agreed(project, job("qwen2_audio"))
    without = replace(further, settings={"annotate": {"more_alms": []}})
    assert not is_agreed(project, without)


def test_further_alms_are_checked_and_folders_named_from_the_project(project: Path, small_alm: Path) -> None:
    wrong = replace(job("tiny"), settings={"annotate": {"more_alms": ["nonesuch"]}})
    with pytest.raises(UserError, match="nonesuch"):
        enter(project, wrong)
    folder = os.path.relpath(small_alm)
    enter(
        project, replace(job("qwen2_audio"), settings={"annotate": {"more_alms": [folder, "voxtral_mini"]}})
    )
    assert stage_call(project, "annotate@calls").arguments["options"].more_alms == (folder, "voxtral_mini")


def test_a_person_is_asked_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("no", "y"))
    with pytest.raises(UserError, match="nothing was sent"):
        is_agreed(project, job("gpt_audio"))
    assert is_agreed(project, job("gpt_audio"))
    enter(project, job("gpt_audio", allow_hosted=True))
    assert load(project)["corpora"]["calls"]["allow_hosted"] is True
    assert is_allowed(project)
    assert not is_agreed(project, job("gpt_audio"))  # nothing is left to type: nobody is asked
    enter(project, job("gpt_audio"))
    assert is_allowed(project)


def test_consent_is_withdrawn_in_the_file(project: Path) -> None:
    enter(project, job("gpt_audio", allow_hosted=True))
    with changing(project) as params:
        params["corpora"]["calls"]["allow_hosted"] = False
    assert not is_allowed(project)
    with changing(project) as params:
        params["corpora"]["calls"]["allow_hosted"] = "yes please"
    with pytest.raises(UserError, match="allow_hosted: expected true or false"):
        is_allowed(project)


@pytest.mark.parametrize("alm", ["tiny", "qwen2_audio"])
def test_an_alm_that_runs_here_needs_no_consent(project: Path, alm: str) -> None:
    assert not is_agreed(project, job(alm))

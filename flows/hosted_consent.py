"""Consent to sending a corpus's recordings to a provider, asked once and recorded as a mark of the corpus; its budget."""

from __future__ import annotations

import sys
from pathlib import Path

from ambivox.flows.annotators import entered_annotator
from ambivox.flows.job import ALLOW_HOSTED, TINY, Job
from ambivox.flows.params_file import load
from ambivox.models.alms import hosted_of
from ambivox.models.annotator_registry.budget import Budget
from ambivox.models.errors import UserError
from ambivox.models.tables import Utterances


def is_agreed(project: Path, job: Job) -> bool:
    """Ask on a terminal whether the recordings may be sent, where the ALM is hosted and the corpus is not marked yet.

    Args:
        project: The folder that holds params.yaml.
        job: The job.

    Returns:
        Whether the person has agreed now; False where nothing had to be asked.

    Raises:
        UserError: The person does not agree, or there is no terminal to ask on.
    """
    params = load(project)
    entry = params["corpora"].get(job.key, {})
    if job.allow_hosted or entry.get(ALLOW_HOSTED) is True:
        return False
    asked, entered = job.settings.get("annotate", {}), entry.get("annotate") or {}
    annotator = entered_annotator(project, job.key, params) if job.alm is None else job.alm
    alms = (annotator, *(asked.get("more_alms", entered.get("more_alms")) or ()))
    hosted = next(filter(None, map(hosted_of, (alm for alm in alms if alm != TINY))), None)
    if hosted is None:
        return False
    address = asked.get("server") or entered.get("server")
    from ambivox.models.engines._bounded_http import shown_address

    sent = f"the recordings of {job.key} would be sent to {hosted.provider} ({shown_address(address or hosted.base_url)})"
    if sys.stdin is None or not sys.stdin.isatty():
        raise UserError(
            f"{sent}; if your speakers have agreed to that and your licence permits it, add --allow-hosted; it is "
            "remembered in params.yaml"
        )
    question = (
        f"{sent[0].upper()}{sent[1:]}. Have the speakers agreed, and does the licence permit it? [y/N] "
    )
    if input(question).strip().casefold() not in ("y", "yes"):
        raise UserError("nothing was sent, and nothing was entered into params.yaml")
    return True


def hosted_budget(project: Path, corpus: str, max_usd_per_vote: float | None) -> Budget:
    """What hosted ALMs may cost that are tried on a corpus.

    Args:
        project: The folder that holds params.yaml.
        corpus: The corpus's key in params.yaml.
        max_usd_per_vote: US dollars that an equivalent vote may cost.

    Raises:
        UserError: The corpus is not marked as one whose recordings may be sent, or has no limit of cost.
    """
    entry = load(project)["corpora"].get(corpus, {})
    options = entry.get("annotate") or {}
    if entry.get(ALLOW_HOSTED) is not True:
        raise UserError(
            f"a hosted ALM would get the recordings of {corpus}; if your speakers have agreed to that and your licence "
            f"permits it, set corpora.{corpus}.{ALLOW_HOSTED}: true in params.yaml"
        )
    max_cost = options.get("max_cost")
    if not max_cost:
        raise UserError(
            f"a hosted ALM costs money; set corpora.{corpus}.annotate.max_cost in params.yaml to the US dollars that "
            "annotating the corpus may cost at most; a pilot may cost as much"
        )
    splits = options.get("splits") or ("train", "development", "test")
    table = project / "data" / corpus / "ingest" / "utterances.parquet"
    return Budget(len(Utterances.read(table).in_splits(*splits)), float(max_cost), max_usd_per_vote)

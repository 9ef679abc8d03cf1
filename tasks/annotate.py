"""Have an audio-language model vote: one table of its answers, and the checks that say what they are worth."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ambivox.models.errors import OnError

if TYPE_CHECKING:
    from ambivox.models.annotation.hosted_cost import CostEstimate
    from ambivox.models.annotation.run import AnnotationRun

_logger = logging.getLogger(__name__)
# Marks an option that is decided at each call, so that params.yaml, which describes corpora, has none of it.
_PER_CALL = {"per_call": True}
FIGURES = "checks.json"  # what --json shows


@dataclass(frozen=True, kw_only=True)
class AnnotateOptions:
    """Options of the step ``annotate``.

    Attributes:
        store: The vote store, a folder or s3://bucket/prefix (endpoint from AWS_ENDPOINT_URL).
        engine: What runs the ALM; auto is vLLM where it is installed, else transformers.
        elicitation: exact (the distribution from one pass per prompt), sampled (the paper's way: --drawn-votes answers
            along a temperature ladder) or verbalised (the model writes percentages); auto is exact where the ALM gives
            log-probabilities, else sampled with the paper's ten votes.
        personas: Names of personas; "paper" stands for the paper's five, "placebo" is the control.
        persona_file: A TOML file of further personas, name = "sentence".
        orders: Balanced orders of the options: 1, or an even number; at most twice the number of labels are used. Every
            order is one more forward pass per persona.
        modality: What the model is given: the audio, the transcript, or both (where there is a transcript).
        drawn_votes: sampled: the number of synthetic annotators; else: votes drawn per persona for votes.parquet.
        temperature: Reshapes exact distributions, p^(1/T).
        on_long: A clip longer than the ALM takes is cut into windows whose answers are averaged, or refused.
        splits: Which utterances; pretrain is what the embedded ALM was trained on.
        server: Address of a vLLM server (engine server) or of another OpenAI-compatible API (--alm hosted:MODEL), such
            as http://localhost:8000/v1; its API key is read from AMBIVOX_SERVER_KEY.
        server_timeout: Seconds for which the server may give no answer at all, for example while it restarts.
        allow_hosted: Hosted ALMs only: the recordings may be sent to the provider (in a project: a mark of the corpus).
        max_cost: Hosted ALMs only: US dollars that may be spent; no more is sent then, and nothing paid is lost.
        answered_by: Hosted ALMs only: the model that the provider's answers name, where it is not the one asked for.
        prices: Hosted ALMs only: US dollars per million text, audio and output tokens, where the ALM's file has none, or
            others.
        batch: Hosted ALMs only: after the pilot, ask by batch files, which cost less and may take a day.
        dry_run: Hosted ALMs only: print what the run would cost, and send nothing.
        yes: Hosted ALMs only: do not ask before the first request.
        on_error: What to do with an utterance that cannot be annotated: reject it, or stop.
        shard: Clips per shard of the store; also what is lost at most when a run is killed.
        seed: Seed of sampled answers and drawn votes.
    """

    store: str = ".ambivox/store"
    engine: Literal["auto", "vllm", "server", "hosted", "transformers", "fake"] = "auto"
    elicitation: Literal["auto", "exact", "sampled", "verbalised"] = "auto"
    personas: tuple[str, ...] = ("voice_and_words", "tone")
    persona_file: Path | None = None
    orders: int = 6
    modality: Literal["audio", "transcript", "both"] = "both"
    drawn_votes: int = 0
    temperature: float = 1.0
    on_long: Literal["window", "error"] = "window"
    splits: tuple[str, ...] = ("train", "development", "test")
    server: str = ""
    server_timeout: float = 300.0
    allow_hosted: bool = field(default=False, metadata=_PER_CALL)
    max_cost: float | None = None
    answered_by: str = ""
    prices: tuple[float, ...] = ()
    batch: bool = False
    dry_run: bool = field(default=False, metadata=_PER_CALL)
    yes: bool = field(default=False, metadata=_PER_CALL)
    on_error: OnError = "reject"
    shard: int = 256
    seed: int = 0


def annotate(*, utterances: Path, alm: str, out: Path, options: AnnotateOptions) -> Path:
    """Ask an ALM which emotion each utterance expresses; what the vote store holds already is not asked again.

    Writes a folder with annotations.parquet, votes.parquet, rejects.parquet, checks.json and figures.

    Args:
        utterances: The table of utterances.
        alm: A key in models/alms/, or a local model folder.
        out: The folder to write.
        options: See AnnotateOptions.

    Returns:
        The folder.

    Raises:
        UserError: A wrong setting, an unknown ALM, an engine that cannot be started, or, with on_error "stop",
            an utterance that cannot be annotated.
    """
    from ambivox.models import token_count
    from ambivox.models.files import atomic_folder, check_output_folder
    from ambivox.models.logs import MEASURED
    from ambivox.models.progress import bar
    from ambivox.models.reporting.figures.annotation import answers_figure, checks_figure
    from ambivox.models.reporting.figures.style import save

    inputs = (utterances, Path(options.store), options.persona_file, alm)
    check_output_folder(out, inputs)
    run = prepare_run(utterances, alm, options)
    missing = run.missing_items()
    if run.hosted is not None and (notice := run.hosted.shutdown_notice()):
        _logger.warning(notice)
    _logger.info(run.describe(missing))
    if run.hosted is not None and missing:
        estimate = run.hosted.estimate(missing)
        _logger.info(f"{run.resolved.name}: {estimate.describe()}")
        if not _is_confirmed(estimate, options):
            return out
    started = time.monotonic()
    with bar() as progress:
        clips = sum(items["audio_sha256"].n_unique() for items in missing)
        task = progress.add_task("annotate", total=clips, note=run.engine_version)
        result = run.annotate(missing, lambda done: progress.advance(task, done))
    with atomic_folder(out, inputs) as folder:
        result.write(folder)
        save(answers_figure(result.annotations), folder / "answers.svg")
        save(checks_figure(result.checks, result.annotations.labels), folder / "checks.svg")
    measured = {
        "utterances": clips,
        "prompts": sum(items.height for items in missing),
        "seconds": time.monotonic() - started,
        "tokens": token_count.total(),
    }
    _logger.info(f"{result.describe()} -> {out}", extra={MEASURED: measured if clips else {}})
    if warning := result.warning():
        _logger.warning(warning)
    return out


def _is_confirmed(estimate: CostEstimate, options: AnnotateOptions) -> bool:
    """Whether a hosted ALM may be sent the requests; False for a dry run.

    Raises:
        UserError: The estimate is above max_cost, or nobody has agreed to it.
    """
    from ambivox.models.errors import UserError

    if options.dry_run:
        return False
    estimate.check(options.max_cost)
    if options.yes or options.max_cost is not None:
        return True
    if sys.stdin is None or not sys.stdin.isatty():
        raise UserError(
            "nothing was sent: agree to the cost with --max-cost USD (in a project: --set annotate.max_cost=USD), or "
            "with --yes"
        )
    if input("Send these requests? [y/N] ").strip().casefold() not in ("y", "yes"):
        raise UserError("nothing was sent")
    return True


def prepare_run(utterances: Path, alm: str, options: AnnotateOptions) -> AnnotationRun:
    """The run that these options describe; no engine is started.

    Args:
        utterances: The table of utterances.
        alm: A key in models/alms/, or a local model folder.
        options: See AnnotateOptions.

    Raises:
        UserError: A wrong setting, an unknown ALM, or one that was fitted with data that is forgotten.
    """
    from ambivox.models.annotation.run import prepare
    from ambivox.models.files import exists
    from ambivox.models.withdrawn import check_not_withdrawn

    if exists(alm):
        check_not_withdrawn(Path(alm))
    settings = dict(vars(options))
    settings["votes"] = settings.pop("drawn_votes")
    del settings["dry_run"], settings["yes"]
    return prepare(utterances, alm=alm, **settings)


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(annotate)

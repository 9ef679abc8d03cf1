"""Have audio-language models vote: a table of each one's answers, and the checks that say what they are worth."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ambivox.models.errors import OnError
from ambivox.models.number_ranges import Count, CountOrNone, NotNegative, Positive, Seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ambivox.models.annotation.hosted_cost import CostEstimate
    from ambivox.models.annotation.result import AnnotationResult
    from ambivox.models.annotation.run import AnnotationRun
    from ambivox.models.prompting.alm_spec import ResolvedAlm

_logger = logging.getLogger(__name__)
# Marks an option that is decided at each call, so that params.yaml, which describes corpora, has none of it.
_PER_CALL = {"per_call": True}
FIGURES = "checks.json"  # what --json shows


@dataclass(frozen=True, kw_only=True)
class AnnotateOptions:
    """Options of the step ``annotate``.

    Attributes:
        more_alms: Further ALMs that are asked about the same utterances and pooled with the first: keys, model folders, or
            hosted:MODEL; one of all may be hosted.
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
        drawn_votes: sampled: the number of synthetic annotators; else: votes drawn per persona for votes.parquet (0: none).
        temperature: Reshapes exact distributions, p^(1/T).
        on_long: A clip longer than the ALM takes is cut into windows whose answers are averaged, or refused.
        splits: Which utterances; pretrain is what the embedded ALM was trained on.
        server: Address of a vLLM server (engine server) or of another OpenAI-compatible API (--alm hosted:MODEL), such
            as http://localhost:8000/v1; its API key is read from AMBIVOX_SERVER_KEY.
        server_timeout: Seconds for which the server may give no answer at all, for example while it restarts.
        allow_hosted: Hosted ALMs only: the recordings may be sent to the provider (in a project: a mark of the corpus).
        max_cost: Hosted ALMs only: US dollars that may be spent; no more is sent then, and nothing paid is lost; by default
            there is no limit, and a terminal asks before the first request.
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

    more_alms: tuple[str, ...] = ()
    store: str = ".ambivox/store"
    engine: Literal["auto", "vllm", "server", "hosted", "transformers", "fake"] = "auto"
    elicitation: Literal["auto", "exact", "sampled", "verbalised"] = "auto"
    personas: tuple[str, ...] = ("voice_and_words", "tone")
    persona_file: Path | None = None
    orders: Count = 6
    modality: Literal["audio", "transcript", "both"] = "both"
    drawn_votes: CountOrNone = 0
    temperature: Positive = 1.0
    on_long: Literal["window", "error"] = "window"
    splits: tuple[str, ...] = ("train", "development", "test")
    server: str = ""
    server_timeout: Positive = 300.0
    allow_hosted: bool = field(default=False, metadata=_PER_CALL)
    max_cost: NotNegative | None = None
    answered_by: str = ""
    prices: tuple[NotNegative, ...] = ()
    batch: bool = False
    dry_run: bool = field(default=False, metadata=_PER_CALL)
    yes: bool = field(default=False, metadata=_PER_CALL)
    on_error: OnError = "reject"
    shard: Count = 256
    seed: Seed = 0


def annotate(*, utterances: Path, alm: str, out: Path, options: AnnotateOptions) -> Path:
    """Ask ALMs which emotion each utterance expresses; what the vote store holds already is not asked again.

    Writes a folder with annotations.parquet, votes.parquet, rejects.parquet, checks.json and figures, and the same in
    a folder below further/ for each of the further ALMs.

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
    from ambivox.models.annotation.several_alms import further_folder
    from ambivox.models.errors import UserError
    from ambivox.models.files import atomic_folder, check_output_folder
    from ambivox.models.object_store import is_object_url
    from ambivox.models.output_places import check_folders_to_fill

    inputs = (utterances, Path(options.store), options.persona_file, alm, *options.more_alms)
    check_output_folder(out, inputs)
    if not options.store.strip():
        raise UserError("--store: found a blank text, expected a folder or s3://bucket/prefix")
    if not is_object_url(options.store):
        check_folders_to_fill(Path(options.store))
    asked = options_by_alm(alm, options)
    runs = [prepare_run(utterances, one, own) for one, own in asked]
    _check_different([run.resolved for run in runs])
    missing = [run.missing_items() for run in runs]
    for run, items in zip(runs[1:], missing[1:], strict=True):
        if items:
            run.check_prompts()
    for run, items in zip(runs, missing, strict=True):
        if run.hosted is not None and (notice := run.hosted.shutdown_notice()):
            _logger.warning(notice)
        _logger.info(run.describe(items))
        if run.hosted is not None and items:
            estimate = run.hosted.estimate(items)
            _logger.info(f"{run.resolved.name}: {estimate.describe()}")
            if not _is_confirmed(estimate, options):
                return out
    # One engine is open at a time, so each ALM answers everything before the next one is asked.
    results = [_ask(run, items, out) for run, items in zip(runs, missing, strict=True)]
    with atomic_folder(out, inputs) as folder:
        _write(results[0], folder)
        for number, (run, result) in enumerate(zip(runs[1:], results[1:], strict=True), start=1):
            _write(result, folder / further_folder(number, run.resolved.name))
    return out


def options_by_alm(alm: str, options: AnnotateOptions) -> list[tuple[str, AnnotateOptions]]:
    """Every ALM of a run with the options that it is asked with, the first one first.

    Engine, address and elicitation are chosen for the first ALM, and the others may have no such engine: theirs are chosen
    automatically. The address of a server is that of the hosted ALM, unless the first ALM is on that server.

    Args:
        alm: The first ALM.
        options: See AnnotateOptions.
    """
    from ambivox.models.alms import hosted_of

    first = replace(options, more_alms=())
    asked = [(alm, first)]
    for more in options.more_alms:
        is_own_server = hosted_of(more) is not None and options.engine != "server"
        own = replace(
            first,
            engine="fake" if options.engine == "fake" else "auto",
            server=options.server if is_own_server else "",
            elicitation="auto" if options.elicitation == "exact" else options.elicitation,
        )
        asked.append((more, own))
    return asked


def _check_different(alms: Sequence[ResolvedAlm]) -> None:
    """Check that no ALM is there twice, and that one at most is hosted.

    Raises:
        UserError: It is not so; address, prices and limit of cost are those of one hosted ALM.
    """
    from ambivox.models.errors import UserError

    names = [f"{alm.name} ({alm.revision[:12]})" for alm in alms]
    for alm, name in zip(alms, names, strict=True):
        if sum(other.name == alm.name and other.revision == alm.revision for other in alms) > 1:
            raise UserError(
                f"more-alms: found {name} twice, expected different ALMs; the answers of one would count twice"
            )
    hosted = [alm.name for alm in alms if alm.alm.hosted is not None]
    if len(hosted) > 1:
        raise UserError(
            f"more-alms: found {len(hosted)} hosted ALMs ({', '.join(hosted)}), expected one at most, as a run has one "
            "address and one limit of cost; annotate with the others by `ambivox annotate`, and pool them with "
            "pool.more_annotations"
        )


def _ask(run: AnnotationRun, missing: list[Any], out: Path) -> AnnotationResult:
    """Have an ALM answer what the store lacks, and say what it cost."""
    from ambivox.models import token_count
    from ambivox.models.logs import MEASURED
    from ambivox.models.progress import bar

    started, tokens = time.monotonic(), token_count.total()
    with bar() as progress:
        clips = sum(items["audio_sha256"].n_unique() for items in missing)
        task = progress.add_task("annotate", total=clips, note=run.engine_version)
        result = run.annotate(missing, lambda done: progress.advance(task, done))
    measured = {
        "utterances": clips,
        "prompts": sum(items.height for items in missing),
        "seconds": time.monotonic() - started,
        "tokens": token_count.total() - tokens,
    }
    _logger.info(f"{result.describe()} -> {out}", extra={MEASURED: measured if clips else {}})
    if warning := result.warning():
        _logger.warning(warning)
    return result


def _write(result: AnnotationResult, folder: Path) -> None:
    from ambivox.models.reporting.figures.annotation import answers_figure, checks_figure
    from ambivox.models.reporting.figures.style import save

    folder.mkdir(parents=True, exist_ok=True)
    result.write(folder)
    save(answers_figure(result.annotations), folder / "answers.svg")
    save(checks_figure(result.checks, result.annotations.labels), folder / "checks.svg")


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
    """The run of one ALM that these options describe; no engine is started.

    Args:
        utterances: The table of utterances.
        alm: A key in models/alms/, or a local model folder.
        options: See AnnotateOptions; further ALMs have runs of their own (``options_by_alm``).

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
    del settings["more_alms"], settings["dry_run"], settings["yes"]
    return prepare(utterances, alm=alm, **settings)


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(annotate)

"""Have an audio-language model vote: one table of its answers, and the checks that say what they are worth."""

from pathlib import Path
from typing import Literal


def annotate(
    *,
    utterances: Path,
    alm: str,
    out: Path,
    store: str = ".ambivox/store",
    engine: Literal["auto", "vllm", "server", "transformers", "fake"] = "auto",
    elicitation: Literal["exact", "sampled", "verbalised"] = "exact",
    personas: tuple[str, ...] = ("voice_and_words", "tone"),
    persona_file: Path | None = None,
    orders: int = 2,
    modality: Literal["audio", "transcript", "both"] = "both",
    votes: int = 0,
    temperature: float = 1.0,
    on_long: Literal["window", "error"] = "window",
    splits: tuple[str, ...] = ("train", "development", "test"),
    server: str = "",
    patience: float = 300.0,
    seed: int = 0,
    shard: int = 256,
    strict: bool = False,
) -> Path:
    """Ask an ALM what every utterance expresses; answers that the vote store has already are not asked again.

    Args:
        utterances: the table of utterances.
        alm: a key in models/alms/, or a local model folder.
        out: folder for annotations.parquet, votes.parquet, rejects.parquet, checks.json and pictures.
        store: the vote store, a folder or s3://bucket/prefix (endpoint from AWS_ENDPOINT_URL).
        engine: what runs the ALM; auto is vLLM where it is installed, else transformers.
        elicitation: exact (the distribution from one pass a prompt), sampled (the paper's way: --votes answers
            along a temperature ladder) or verbalised (the model writes percentages).
        personas: names of personas; "paper" stands for the paper's five, "placebo" is the control.
        persona_file: a TOML file of further personas, name = "sentence".
        orders: balanced orders of the options: 1, or an even number up to twice the number of labels.
        modality: what the model is given: the audio, the transcript, or both (where there is a transcript).
        votes: sampled: how many synthetic annotators answer; else: votes drawn per persona for votes.parquet.
        temperature: reshapes exact distributions, p^(1/T).
        on_long: a clip longer than the ALM hears is cut into windows whose answers are averaged, or refused.
        splits: which utterances; pretrain is what the embedded ALM learned from.
        server: address of an OpenAI-compatible vLLM server (engine server), such as http://localhost:8000/v1;
            its API key is read from AMBIVOX_SERVER_KEY.
        patience: seconds for which that server may give no answer at all, while it restarts say.
        seed: of sampled answers and drawn votes.
        shard: clips a shard of the store; also what is lost at most when a run is killed.
        strict: stop at the first utterance that cannot be asked about, instead of listing it in rejects.parquet.

    Raises:
        UserError: a wrong setting, an unknown ALM, an engine that cannot be started, or, with strict, an
            utterance that cannot be asked about.
    """
    from ambivox.models.annotation.run import prepare
    from ambivox.models.errors import UserError
    from ambivox.models.files import atomic_folder, write_json
    from ambivox.models.progress import bar
    from ambivox.models.reporting.figures.annotation import answers_figure, checks_figure
    from ambivox.models.reporting.figures.style import save

    run = prepare(
        utterances,
        alm=alm,
        store=store,
        engine=engine,
        elicitation=elicitation,
        personas=personas,
        persona_file=persona_file,
        orders=orders,
        modality=modality,
        votes=votes,
        temperature=temperature,
        on_long=on_long,
        splits=splits,
        server=server,
        patience=patience,
        seed=seed,
        shard=shard,
    )
    work = [missing for part in run.parts if (missing := run.missing(part)).height]
    asked = sum(part.height for part in work)
    print(
        f"{len(run.utterances)} utterances, {run.items.height} questions to {run.resolved.name} on {run.version}"
        f"{' (chosen by --engine auto)' if engine == 'auto' else ''}; {asked} prompts are not in the store yet"
    )
    rejects = run.fill(run.items.clear())
    with bar() as progress:
        clips = sum(part["audio_sha256"].n_unique() for part in work)
        shown = progress.add_task("annotate", total=clips, note=run.version)
        for part in work:
            rejected = run.fill(part, lambda done: progress.advance(shown, done))
            if strict and rejected.height:
                raise UserError(f"{rejected['detail'][0]} (--strict stops here)")
            rejects = rejects.vstack(rejected)
    result = run.result(rejects)
    with atomic_folder(out) as folder:
        result.annotations.write(folder / "annotations.parquet")
        result.votes.write(folder / "votes.parquet")
        result.rejects.write_parquet(folder / "rejects.parquet", compression="zstd")
        write_json(folder / "checks.json", result.checks)
        save(answers_figure(result.annotations), folder / "answers.svg")
        save(checks_figure(result.checks, result.annotations.labels), folder / "checks.svg")
    mass = result.checks["label_mass"]["mean"]
    print(
        f"{len(result.annotations)} answers, {result.checks['refusals']} refusals, "
        f"{result.rejects.height} utterances rejected"
        f"{f', label mass {mass:.3f}' if mass is not None else ''} -> {out}"
    )
    if result.checks["hears"] is False:
        print(
            f"WARNING: {run.resolved.name} does not hear: another clip's audio leaves its answers as they are "
            f"(mean JS {result.checks['canary']['js']:.4f} bit)"
        )
    return out


if __name__ == "__main__":
    from ambivox.tasks._main import main

    main(annotate)

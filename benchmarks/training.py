"""Training steps per second: our method against the paper's, with the same ALM, utterances and weights.

paper   every batch padded to 512 tokens, in random order; the audio tower runs on 30 s windows in every epoch.
        Its public code lost the audio in the collator; here the audio reaches the model.
ours    states of the frozen tower computed once and cached; batches of similar length, padded to the longest.

Both take the same optimiser steps (LoRA and head, batches of 8) in alternating rounds. By default they use one core, since
threads that synchronise at every small matrix product are slowed down by other load. The paper's method is measured
without decoding. Ours needs decoding, log-mels and tower once, so the gain depends on the number of epochs: the ratio is
given per step, and including that pass for one epoch and for the epochs of both presets. Without arguments, the demo corpus
and an untrained tiny ALM are created in a temporary folder; the cost of a step does not depend on the values of weights.

    python -m benchmarks.training [--utterances data/demo/ingest/utterances.parquet --alm data/demo/alm]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from ambivox.models.alm_backbones.architectures.qwen2_audio import ModelArchitecture
from ambivox.models.alm_backbones.audio_states import AudioStates
from ambivox.models.alm_backbones.backbone import Backbone, load
from ambivox.models.audio.decoding import decode
from ambivox.models.finetuning.data.batches import Batch, shuffled_by_length
from ambivox.models.finetuning.data.example_building import build_examples
from ambivox.models.finetuning.data.examples import Examples
from ambivox.models.finetuning.model.distribution_loss import distribution_loss
from ambivox.models.finetuning.model.distribution_model import DistributionModel, add_adapters
from ambivox.models.finetuning.settings import PAPER, SMALL
from ambivox.models.tables import Utterances
from benchmarks.untrained_alm import untrained_alm

FIXED_TOKENS = 512
BATCH = 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--utterances", type=Path, help="utterances.parquet of an ingested corpus (default: the demo corpus)"
    )
    parser.add_argument(
        "--alm", help="an ALM with Qwen2-Audio's architecture (default: an untrained tiny ALM)"
    )
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        table = arguments.utterances or _corpus(Path(folder))
        utterances = Utterances.read(table).in_splits("train")
        alm = arguments.alm or untrained_alm(utterances.labels, Path(folder))
        backbone = load(alm, torch.device("cpu"), torch.float32)
        _measure(utterances, backbone, arguments.steps, arguments.rounds)


def _measure(utterances: Utterances, backbone: Backbone, steps: int, rounds: int) -> None:
    utterances = Utterances(utterances.frame.head(BATCH * steps), utterances.labels)
    states = AudioStates(backbone, None)
    recordings = [decode(audio) for audio in utterances.frame["audio"]]
    backbone.audio_states(recordings[:1])
    start = time.perf_counter()
    examples, _ = build_examples(utterances, backbone, states, "both", "stop")
    one_pass = time.perf_counter() - start
    model = add_adapters(backbone, len(utterances.labels), 8, 16, 0.2, seed=0)
    # Warm-up: the first steps of a process are slower.
    _ours(model, examples, states, 0)
    paper, ours = [], []
    for round_ in range(rounds):
        paper.append(_paper(model, examples, recordings, round_))
        ours.append(_ours(model, examples, states, round_))
    table = Table(
        "method",
        "steps per second (median)",
        "range",
        "times as fast",
        "CPU s per step",
        "times less CPU",
        title=f"Training, batch {BATCH}, {len(examples)} utterances",
    )
    paper_wall, paper_cpu = np.median(paper, axis=0)
    for name, speeds in (("paper's method", paper), ("ours", ours)):
        wall, cpu = (np.array(column) for column in zip(*speeds, strict=True))
        table.add_row(
            name,
            f"{np.median(wall):.2f}",
            f"{wall.min():.2f} to {wall.max():.2f}",
            f"{np.median(wall) / paper_wall:.1f}",
            f"{np.median(cpu):.2f}",
            f"{paper_cpu / np.median(cpu):.1f}",
        )
    console = Console()
    console.print(table)
    seconds_paper, seconds_ours = 1 / paper_wall, 1 / np.median(ours, axis=0)[0]
    pass_per_step = one_pass / -(-len(examples) // BATCH)
    epochs = (1, SMALL.epochs, PAPER.epochs)
    with_pass = ", ".join(
        f"{seconds_paper * each / (seconds_ours * each + pass_per_step):.1f}" for each in epochs
    )
    lengths = examples.length_N
    console.print(
        f"prompts of {lengths.min()} to {lengths.max()} tokens; one pass of decoding, log-mels and tower: "
        f"{one_pass:.1f} s ({1e3 * one_pass / len(examples):.0f} ms per utterance)\n"
        f"target: 3 times as fast, found {seconds_paper / seconds_ours:.1f} per step; "
        f"{with_pass} with that pass, over {', '.join(map(str, epochs))} epochs"
    )


def _corpus(folder: Path) -> Path:
    """Generate and ingest the demo corpus."""
    from ambivox.tasks.ingest import IngestOptions, ingest

    return (
        ingest(corpus="demo", root=folder / "raw", out=folder / "ingest", options=IngestOptions())
        / "utterances.parquet"
    )


def _paper(
    model: DistributionModel, examples: Examples, recordings: list[np.ndarray], seed: int
) -> tuple[float, float]:
    """Steps per second and processor seconds per step, with fixed padding and the tower in every step."""
    backbone = model.backbone
    shuffled_rows = np.random.default_rng(seed).permutation(len(examples))
    batches = [shuffled_rows[start : start + BATCH] for start in range(0, len(shuffled_rows), BATCH)]
    optimiser = torch.optim.AdamW(model.trainable().values(), lr=1e-5)
    start, start_cpu = time.perf_counter(), time.process_time()
    for rows in batches:
        audio = _full_window_states(backbone, [recordings[row] for row in rows])
        ids = torch.zeros((len(rows), FIXED_TOKENS), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            tokens = examples.tokens[row][:FIXED_TOKENS]
            ids[index, : len(tokens)], mask[index, : len(tokens)] = torch.tensor(tokens), 1
        target = torch.from_numpy(examples.target_NK[rows]).float()
        _step(model, optimiser, Batch(ids, mask, audio, target, torch.ones(len(rows))))
    return len(batches) / (time.perf_counter() - start), (time.process_time() - start_cpu) / len(batches)


def _ours(
    model: DistributionModel, examples: Examples, states: AudioStates, seed: int
) -> tuple[float, float]:
    """Steps per second and processor seconds per step, with cached states and batches by length."""
    batches = shuffled_by_length(examples.length_N, BATCH, np.random.default_rng(seed))
    optimiser = torch.optim.AdamW(model.trainable().values(), lr=1e-5)
    start, start_cpu = time.perf_counter(), time.process_time()
    for rows in batches:
        _step(model, optimiser, examples.batch(rows, states, 0))
    return len(batches) / (time.perf_counter() - start), (time.process_time() - start_cpu) / len(batches)


def _step(model: DistributionModel, optimiser: torch.optim.Optimizer, batch: Batch) -> None:
    model.train()
    optimiser.zero_grad(set_to_none=True)
    distribution_loss(batch.target_BK, model.predict_batch(batch)).mean().backward()
    optimiser.step()


@torch.no_grad()
def _full_window_states(backbone: Backbone, recordings: list[np.ndarray]) -> torch.Tensor:
    """States of the tower on a 30 s window per recording, padding included."""
    features = backbone.processor.feature_extractor(
        recordings,
        sampling_rate=16_000,
        padding="max_length",
        return_attention_mask=True,
        return_tensors="pt",
    )
    architecture = backbone.architecture
    assert isinstance(architecture, ModelArchitecture)
    tower = architecture.model.model.audio_tower
    valid, tokens = architecture.lengths(features["attention_mask"].sum(-1))
    mask = architecture.tower_mask(valid, features["input_features"].shape[-1] // 2)
    states = tower(features["input_features"], attention_mask=mask).last_hidden_state
    return torch.cat([state[:count] for state, count in zip(states, tokens.tolist(), strict=True)])


if __name__ == "__main__":
    main()

"""Training steps a second: ours, against the paper's way on the same ALM, utterances and weights.

paper   every batch padded to 512 tokens, in random order; the audio tower run on 30 s windows in every epoch.
        Its public code lost the audio in the collator; here the audio reaches the model.
ours    the frozen tower's states computed once and kept, batches of like length padded to the longest.

Both take the same optimiser steps (LoRA and head, batch of 8), round by round in turns, on one core unless told
otherwise: threads that wait for each other at every small product are at the mercy of other work. Decoding is left
out of the paper's way; ours pays for decoding, log-mels and tower once, so what it gains depends on the epochs: the
ratio is given for a step alone, and with that one pass for one epoch and for those of both presets. Without
arguments the demo corpus and an untrained ALM of the tiny one's shape are made in a temporary folder: what a step
costs does not depend on what the weights have learned.

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
from ambivox.models.finetuning.data.examples import Examples, examples_of
from ambivox.models.finetuning.model.distribution_head import distribution_loss
from ambivox.models.finetuning.model.distribution_model import DistributionModel, add_adapters
from ambivox.models.finetuning.settings import PAPER, SMALL
from ambivox.models.tables import Utterances
from benchmarks.untrained import untrained

FIXED_TOKENS = 512
BATCH = 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--utterances", type=Path, help="an ingested corpus; without one, the demo's")
    parser.add_argument(
        "--alm", help="an ALM of Qwen2-Audio's kind; without one, the tiny ALM's shape, untrained"
    )
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as scratch:
        table = arguments.utterances or _corpus(Path(scratch))
        utterances = Utterances.read(table).in_splits("train")
        alm = arguments.alm or untrained(utterances.labels, Path(scratch))
        backbone = load(alm, torch.device("cpu"), torch.float32)
        _measure(utterances, backbone, arguments.steps, arguments.rounds)


def _measure(utterances: Utterances, backbone: Backbone, steps: int, rounds: int) -> None:
    utterances = Utterances(utterances.frame.head(BATCH * steps), utterances.labels)
    states = AudioStates(backbone, None)
    recordings = [decode(audio) for audio in utterances.frame["audio"]]
    backbone.audio_states(recordings[:1])
    start = time.perf_counter()
    examples, _ = examples_of(utterances, backbone, states, "both", "stop")
    once = time.perf_counter() - start
    model = add_adapters(backbone, len(utterances.labels), 8, 16, 0.2, seed=0)
    # The first steps of a process are slower; they are not counted.
    _ours(model, examples, states, 0)
    paper, ours = [], []
    for round_ in range(rounds):
        paper.append(_paper(model, examples, recordings, round_))
        ours.append(_ours(model, examples, states, round_))
    table = Table(
        "way",
        "steps a second (median)",
        "range",
        "times as fast",
        "CPU s a step",
        "times less CPU",
        title=f"Training, batch {BATCH}, {len(examples)} utterances",
    )
    paper_wall, paper_cpu = np.median(paper, axis=0)
    for name, speeds in (("paper's way", paper), ("ours", ours)):
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
    per_step = once / -(-len(examples) // BATCH)
    epochs = (1, SMALL.epochs, PAPER.epochs)
    whole = ", ".join(f"{seconds_paper * each / (seconds_ours * each + per_step):.1f}" for each in epochs)
    lengths = examples.length_N
    console.print(
        f"prompts of {lengths.min()} to {lengths.max()} tokens; the one pass of decoding, log-mels and tower: "
        f"{once:.1f} s ({1e3 * once / len(examples):.0f} ms an utterance)\n"
        f"wanted: 3 times as fast, found {seconds_paper / seconds_ours:.1f} a step; "
        f"{whole} with the one pass, over {', '.join(map(str, epochs))} epochs"
    )


def _corpus(folder: Path) -> Path:
    """The demo corpus, made and ingested here."""
    from tests.support.steps import ingest

    return ingest(corpus="demo", root=folder / "raw", out=folder / "ingest") / "utterances.parquet"


def _paper(
    model: DistributionModel, examples: Examples, recordings: list[np.ndarray], seed: int
) -> tuple[float, float]:
    """Steps a second, and processor seconds a step, with fixed padding and the tower in every step."""
    backbone = model.backbone
    rows_in_order = np.random.default_rng(seed).permutation(len(examples))
    batches = [rows_in_order[start : start + BATCH] for start in range(0, len(rows_in_order), BATCH)]
    optimiser = torch.optim.AdamW(model.trainable().values(), lr=1e-5)
    start, start_cpu = time.perf_counter(), time.process_time()
    for rows in batches:
        audio = _whole_window(backbone, [recordings[row] for row in rows])
        ids = torch.zeros((len(rows), FIXED_TOKENS), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            tokens = examples.tokens[row][:FIXED_TOKENS]
            ids[place, : len(tokens)], mask[place, : len(tokens)] = torch.tensor(tokens), 1
        target = torch.from_numpy(examples.target_NK[rows]).float()
        _step(model, optimiser, Batch(ids, mask, audio, target, torch.ones(len(rows))))
    return len(batches) / (time.perf_counter() - start), (time.process_time() - start_cpu) / len(batches)


def _ours(
    model: DistributionModel, examples: Examples, states: AudioStates, seed: int
) -> tuple[float, float]:
    """Steps a second, and processor seconds a step, with kept states and batches by length."""
    batches = shuffled_by_length(examples.length_N, BATCH, np.random.default_rng(seed))
    optimiser = torch.optim.AdamW(model.trainable().values(), lr=1e-5)
    start, start_cpu = time.perf_counter(), time.process_time()
    for rows in batches:
        _step(model, optimiser, examples.batch(rows, states, 0))
    return len(batches) / (time.perf_counter() - start), (time.process_time() - start_cpu) / len(batches)


def _step(model: DistributionModel, optimiser: torch.optim.Optimizer, batch: Batch) -> None:
    model.train()
    optimiser.zero_grad(set_to_none=True)
    distribution_loss(batch.target_BK, model.answer(batch)).mean().backward()
    optimiser.step()


@torch.no_grad()
def _whole_window(backbone: Backbone, recordings: list[np.ndarray]) -> torch.Tensor:
    """The tower on 30 s of each recording, padding and all."""
    found = backbone.processor.feature_extractor(
        recordings,
        sampling_rate=16_000,
        padding="max_length",
        return_attention_mask=True,
        return_tensors="pt",
    )
    architecture = backbone.architecture
    assert isinstance(architecture, ModelArchitecture)
    tower = architecture.model.model.audio_tower
    valid, tokens = architecture.lengths(found["attention_mask"].sum(-1))
    mask = architecture.tower_mask(valid, found["input_features"].shape[-1] // 2)
    states = tower(found["input_features"], attention_mask=mask).last_hidden_state
    return torch.cat([state[:count] for state, count in zip(states, tokens.tolist(), strict=True)])


if __name__ == "__main__":
    main()

"""Quality and cost of a listener: a Whisper tuned on the pretrain speakers, scored alone on other speakers' votes.

Takes the tables of `ambivox ingest`, or makes a demo corpus. Settings of the tuning can be changed, to choose them; choose on the splits train
and development only. Scores are means over utterances: JS (base 2), BC and nll (nats per vote) to all votes, the squared
error without the votes' own scatter, and the share of utterances with a single dominant label where it is the same.

    python -m benchmarks.listener [--tables data/crema_d/ingest] [--tower openai/whisper-tiny] [--splits train development]
        [--seeds 0 1] [--set learning_rate=2e-4 epochs=6] [--threads 2]

With several seeds, the weights are averaged, too: all start from the published ones. To compare with published figures, which
train on all votes of all speakers but those of the test:

    python -m benchmarks.listener --tables DIR --train-on pretrain train development --all-votes --splits test
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.audio.clips import clips
from ambivox.models.embedded_alm.tower_choice import AUTO, STATISTICS, choose_tower, fetch_whisper
from ambivox.models.embedded_alm.validation import MEASUREMENT_SHARE, SELECTION_SHARE, validation_utterances
from ambivox.models.embedded_alm.whisper_tuning import ENOUGH_RECORDINGS, WhisperTuningSettings
from ambivox.models.statistics.metrics import bhattacharyya, jensen_shannon
from ambivox.models.tables import Utterances, Votes


def main() -> None:
    """Tune and print a row per seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--tables", type=Path, help="the folder that ingest wrote (default: a new demo corpus)"
    )
    parser.add_argument("--tower", default=AUTO, help="a Whisper's folder, or its name on the hub")
    parser.add_argument("--splits", nargs="+", default=["train", "development"], help="whom to score")
    parser.add_argument("--train-on", nargs="+", default=["pretrain"], help="splits that are trained on")
    parser.add_argument("--all-votes", action="store_true", help="train on held-out votes, too")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--set", nargs="*", default=[], help="settings of the tuning, as NAME=VALUE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=Path, help="a folder that keeps the spectrograms between runs")
    options = parser.parse_args()
    choice = choose_tower(options.tower)
    if choice.tower == STATISTICS:
        return  # the notice says why
    with tempfile.TemporaryDirectory() as folder:
        options.tables = options.tables or _demo_tables(Path(folder))
        _run(options, fetch_whisper(choice))


def _run(options: argparse.Namespace, whisper: Path) -> None:
    import torch

    torch.set_num_threads(options.threads)
    changes = dict(_setting(each) for each in options.set)
    listeners = [
        _tune(options, whisper, replace(WhisperTuningSettings(seed=seed), **changes))
        for seed in options.seeds
    ]
    if len(listeners) > 1:
        states = [listener.state_dict() for listener in listeners]
        mean = {name: torch.stack([state[name].double() for state in states]).mean(0) for name in states[0]}
        listeners[0].load_state_dict({name: value.to(states[0][name].dtype) for name, value in mean.items()})
        _score(options, listeners[0], "weights averaged")


def _demo_tables(folder: Path) -> Path:
    from ambivox.tasks.ingest import IngestOptions, ingest

    return ingest(
        corpus="demo",
        root=folder / "raw",
        out=folder / "ingest",
        options=IngestOptions(keep_votes=3, cache=folder / "probe.json"),
    )


def _tune(options: argparse.Namespace, whisper: Path, settings: WhisperTuningSettings) -> Any:
    """The tuned tower and its head, as one module."""
    import torch

    from ambivox.models.embedded_alm.tokenizer import build_tokenizer
    from ambivox.models.embedded_alm.towers import TrainingData, train_whisper_tower

    table = Utterances.read(options.tables / "utterances.parquet")
    if set(options.train_on) & set(options.splits):
        raise SystemExit(
            "--train-on and --splits: found a split in both, expected other speakers in the test"
        )
    names = ("votes", "heldout") if options.all_votes else ("votes",)
    votes = [Votes.read(options.tables / f"{name}.parquet") for name in names]
    frame, n_NK = _with_votes(table.in_splits(*options.train_on), *votes)
    share = MEASUREMENT_SHARE if len(frame) >= ENOUGH_RECORDINGS else SELECTION_SHARE  # as pretrain does
    data = TrainingData(
        clips(frame),
        table.labels,
        n_NK / n_NK.sum(1, keepdims=True),
        validation_utterances(frame, settings.seed, share),
    )
    cache = _cache(options, "-".join(options.train_on))
    start, cpu = time.monotonic(), time.process_time()
    trained = train_whisper_tower(data, build_tokenizer(table.labels, [""]), whisper, settings, cache)
    print(
        f"seed {settings.seed}: {len(data.audio)} clips, {time.monotonic() - start:.0f} s "
        f"({time.process_time() - cpu:.0f} s of processor time), validation loss by epoch "
        + " ".join(f"{entry['validation_loss']:.4f}" for entry in trained.history)
    )
    head = torch.nn.Linear(trained.head_KD.shape[1], trained.head_KD.shape[0])
    head.load_state_dict({"weight": trained.head_KD, "bias": trained.bias_K})
    listener = torch.nn.ModuleList([trained.model.model.audio_tower, head])
    _score(options, listener, f"seed {settings.seed}")
    return listener


def _score(options: argparse.Namespace, listener: Any, name: str) -> None:
    """Print the scores on ``--splits``, against all their votes."""
    import torch

    from ambivox.models.embedded_alm.audio_tower import encode, mean_logits
    from ambivox.models.embedded_alm.mel_spectrograms import log_mel_spectrograms, pad_batch

    table = Utterances.read(options.tables / "utterances.parquet").in_splits(*options.splits)
    kept, held = (Votes.read(options.tables / f"{part}.parquet") for part in ("votes", "heldout"))
    frame, n_NK = _with_votes(table, kept, held)
    tower, head = listener
    mels = log_mel_spectrograms(
        clips(frame), tower.config.num_mel_bins, _cache(options, "-".join(options.splits))
    )
    q_NK = np.zeros(n_NK.shape)
    start = time.process_time()
    with torch.inference_mode():
        for rows in np.array_split(np.argsort(mels.frames_N, kind="stable"), -(-len(mels) // 32)):
            h = encode(
                tower, pad_batch([mels[int(row)] for row in rows]), torch.from_numpy(mels.frames_N[rows])
            )
            q_NK[rows] = torch.softmax(mean_logits(*h, head.weight, head.bias).double(), 1).numpy()
    cost = 1000 * (time.process_time() - start) / len(mels)
    votes_N = n_NK.sum(1)
    r_NK = n_NK / votes_N[:, None]
    many_N = votes_N > 1
    scatter_N = (r_NK * (1 - r_NK)).sum(1)[many_N] / (votes_N[many_N] - 1)
    squared_N = ((r_NK - q_NK) ** 2).sum(1)[many_N] - scatter_N
    top_NK = np.sort(n_NK, axis=1)
    dominant_N = top_NK[:, -1] > top_NK[:, -2]
    print(
        f"{name} on {len(mels)} clips of {frame['speaker'].n_unique()} speakers: "
        f"nll {-(r_NK * np.log(q_NK)).sum(1).mean():.4f}, squared error {squared_N.mean():.4f}, "
        f"JS {jensen_shannon(r_NK, q_NK).mean():.4f}, BC {bhattacharyya(r_NK, q_NK).mean():.4f}, "
        f"dominant {(q_NK.argmax(1) == n_NK.argmax(1))[dominant_N].mean():.1%}; "
        f"encoder {cost:.0f} ms of processor time per clip",
        flush=True,
    )


def _with_votes(utterances: Utterances, *votes: Votes) -> tuple[Any, NDArray[np.float64]]:
    """The utterances that have votes, and their counts."""
    import polars as pl

    n_NK = np.sum([table.counts(utterances.frame["utterance_id"]) for table in votes], axis=0)
    has_votes_N = n_NK.sum(1) > 0
    return utterances.frame.filter(pl.Series(has_votes_N)), n_NK[has_votes_N]


def _cache(options: argparse.Namespace, part: str) -> Path | None:
    if options.cache is None:
        return None
    folder: Path = options.cache / part
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _setting(text: str) -> tuple[str, float | int]:
    name, _, value = text.partition("=")
    types = {field.name: str(field.type) for field in fields(WhisperTuningSettings)}
    if name not in types:
        raise SystemExit(f"--set {text}: unknown setting; known: {', '.join(types)}")
    return name, int(value) if types[name] == "int" else float(value)


if __name__ == "__main__":
    main()

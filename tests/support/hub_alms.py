"""Small real ALMs that react to different properties of the audio, and a corpus whose raters agree with one of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

LABELS = ("angry", "happy", "neutral", "sad")


def make_clips(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Short voiced-like clips that differ in pitch, roughness and loudness."""
    import soundfile

    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    time_L = np.arange(16000) / 16000
    clips = []
    for number in range(count):
        pitch, noise, level = rng.uniform(80, 600), rng.uniform(0, 1), rng.uniform(0.1, 0.8)
        tone_L = sum(np.sin(2 * np.pi * pitch * h * time_L) / h for h in range(1, 6))
        sound_L = level * ((1 - noise) * tone_L / 2 + noise * rng.standard_normal(len(time_L)) / 3)
        path = folder / f"clip{number:03d}.wav"
        soundfile.write(path, np.clip(sound_L, -1, 1), 16000)
        clips.append(path)
    return clips


def make_alm(folder: Path, clips: list[Path], seed: int, strength: float = 2.0) -> Path:
    """A model folder of Qwen2-Audio's architecture whose answers follow a random audio encoder, given by ``seed``."""
    import torch

    from ambivox.models.embedded_alm.architecture import Shape, build_model, save_folder
    from ambivox.models.embedded_alm.audio_tower import encode
    from ambivox.models.embedded_alm.language_model_layout import text_inner_for, text_width_for
    from ambivox.models.embedded_alm.lookup_language_model import write_lookup
    from ambivox.models.embedded_alm.mel_spectrograms import log_mel_spectrograms, pad_batch
    from ambivox.models.embedded_alm.tokenizer import build_tokenizer
    from ambivox.models.prompting.personas import load_personas
    from ambivox.models.prompting.prompts import build_prompts

    texts = [
        p.text("")
        for p in build_prompts(LABELS, load_personas(("voice_and_words", "tone")), 2, modality="audio")
    ]
    tokenizer = build_tokenizer(LABELS, texts)
    torch.manual_seed(seed)
    shape = Shape(
        tower_width=32,
        tower_layers=1,
        tower_heads=2,
        tower_inner=64,
        text_width=text_width_for(len(LABELS)),
        text_inner=text_inner_for(len(LABELS)),
    )
    model = build_model(shape, tokenizer)
    mels = log_mel_spectrograms([str(path) for path in clips], shape.mel_bands)
    with torch.no_grad():
        frames_N = torch.from_numpy(mels.frames_N)
        h_BLD, there_BL = encode(
            model.model.audio_tower, pad_batch([mels[n] for n in range(len(mels))]), frames_N
        )
        mean_ND = torch.stack([h_LD[there_L].mean(0) for h_LD, there_L in zip(h_BLD, there_BL, strict=True)])
        centre_D = mean_ND.mean(0)
        _, size_R, axes_RD = torch.linalg.svd(mean_ND - centre_D, full_matrices=False)
        direction_KR = torch.randn(len(LABELS), 4)
        head_KD = strength * direction_KR @ (axes_RD[:4] / (size_R[:4, None] / len(clips) ** 0.5))
    prior_K = np.full(len(LABELS), 1 / len(LABELS))
    write_lookup(model, tokenizer, LABELS, head_KD, -head_KD @ centre_D, prior_K)
    save_folder(model.eval(), tokenizer, folder)
    return folder


def make_project(project: Path, clips: list[Path]) -> None:
    """Utterances of ``clips`` in data/unit/ingest; their votes come from ``vote_like``."""
    import hashlib

    from ambivox.models.tables import Utterances

    frame = pl.DataFrame(
        {
            "utterance_id": [path.stem for path in clips],
            "corpus": "unit",
            "audio": [str(path) for path in clips],
            "audio_sha256": [hashlib.sha256(path.read_bytes()).hexdigest() for path in clips],
            "duration_seconds": 1.0,
            "sample_rate_hz": 16000,
            "speaker": [f"s{n % 20}" for n in range(len(clips))],
            "split": ["train" if n % 5 else "test" for n in range(len(clips))],
        }
    )
    Utterances.check(frame, LABELS).write(project / "data/unit/ingest/utterances.parquet")


def vote_like(project: Path, alm: Path, votes: int, seed: int = 0) -> None:
    """Human votes drawn from what ``alm`` answers, so that ``alm`` is the better annotator by construction."""
    from ambivox.models.annotator_registry.promotion import mean_answers
    from ambivox.models.tables import Annotations, Utterances, Votes
    from tests.support.steps import annotate

    place = project / "data/unit/ingest"
    annotate(
        utterances=place / "utterances.parquet",
        alm=str(alm),
        out=project / "truth",
        engine="transformers",
        orders=2,
        store=str(project / "other-store"),
    )
    ids = Utterances.read(place / "utterances.parquet").frame["utterance_id"]
    q_NK = mean_answers(Annotations.read(project / "truth/annotations.parquet"), ids)
    rng = np.random.default_rng(seed)
    rows = [
        (name, f"r{a}", "human", LABELS[k], 1.0)
        for name, q_K in zip(ids, q_NK, strict=True)
        for a, k in enumerate(rng.choice(len(LABELS), votes, p=q_K / q_K.sum()))
    ]
    columns = ["utterance_id", "annotator_id", "annotator_kind", "label", "weight"]
    drawn = Votes.check(pl.DataFrame(rows, columns, orient="row"), LABELS)
    drawn.write(place / "votes.parquet")
    Votes.check(drawn.frame.clear(), LABELS).write(place / "heldout.parquet")

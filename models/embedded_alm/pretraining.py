"""Training the embedded ALM from scratch on the ``pretrain`` speakers of any ingested corpus.

Two stages: the tower learns to hear (models/embedded_alm/listening.py), then projector and language model learn to
answer the annotation prompt (models/embedded_alm/answering.py). Some speakers are cut off to choose the weights and to
say honestly how good the model is. The spectrograms that a killed run leaves in the cache serve the next one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ambivox.models.embedded_alm.answering import AnsweringOptions, Clips, train_answerer
from ambivox.models.embedded_alm.architecture import WINDOW_FRAMES, Shape, build_model, save_folder
from ambivox.models.embedded_alm.circuit import inner_for, width_for, write_circuit
from ambivox.models.embedded_alm.listening import ListeningOptions, head_of, train_listener
from ambivox.models.embedded_alm.mels import Mels, log_mels, pad_batch
from ambivox.models.embedded_alm.moments import Places, tower_width_for, write_moments
from ambivox.models.embedded_alm.tower import hear, mean_logits
from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.files import atomic_folder, write_json
from ambivox.models.statistics.metrics import jensen_shannon
from ambivox.models.tables import Utterances, Votes

if TYPE_CHECKING:
    import torch

VERSION = 3  # of the recipe; part of the cache's name
Size = Literal["auto", "small", "base"]
_KEPT_BACK = 0.12  # the share of pretrain speakers that weights are chosen on
_SMALL_BELOW = 1500  # clips; below that a small tower learns as well, and hears faster
_LEAST_STEPS = 600  # few clips are passed over more often
_TOWER_HEADS = 2  # the program of models/embedded_alm/moments.py takes two


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result, beside the data."""

    bands: int  # of the spectrogram's statistics
    tower_inner: int
    listening: ListeningOptions
    answering: AnsweringOptions
    threads: int = 1  # more gain little at these sizes, and lose much on a busy machine

    def shape(self, labels: int) -> Shape:
        """The sizes that hold both programs for so many labels."""
        return Shape(
            tower_width=tower_width_for(self.bands, labels, _TOWER_HEADS),
            tower_layers=2,
            tower_heads=_TOWER_HEADS,
            tower_inner=self.tower_inner,
            text_width=width_for(labels),
            text_inner=inner_for(labels),
        )


SMALL = Recipe(
    bands=32,
    tower_inner=128,
    listening=ListeningOptions(noise=0.2, dropout=0.2, mixup=0.2),
    answering=AnsweringOptions(steps=30, judged=3),
)
BASE = Recipe(
    bands=32,
    tower_inner=256,
    listening=ListeningOptions(),
    answering=AnsweringOptions(steps=60, judged=3),
)


@dataclass(frozen=True)
class Trained:
    """What came of it, measured on the speakers kept back; JS is the base-2 divergence to their votes."""

    clips: int
    speakers: int
    kept_back_clips: int
    kept_back_speakers: int
    parameters: int
    js: float
    prior_js: float
    accuracy: float
    prior_accuracy: float
    label_mass: float
    listening: list[dict[str, float]]
    answering: list[dict[str, float]]


def pretrain(
    utterances: Utterances,
    votes: Votes,
    out: Path,
    *,
    size: Size = "auto",
    epochs: int | None = None,
    seed: int = 0,
    cache: Path | None = None,
) -> Trained:
    """Train and write the model folder ``out`` (with training.json, the measurements).

    Args:
        utterances: only those of split ``pretrain`` are used.
        votes: theirs; utterances without any are left out.
        out: the folder, replaced as a whole.
        size: of the tower; ``auto`` goes by the number of clips.
        epochs: of the first stage; the size's own number by default.
        seed: of everything random.
        cache: a folder for spectrograms; emptied when the model is written.

    Raises:
        UserError: too few pretrain utterances with votes, or a label set that no prompt can show.
        AudioError: a recording that cannot be heard.
    """
    _require_torch()
    labels = utterances.labels
    frame = utterances.in_splits("pretrain").frame
    n_NK = votes.counts(frame["utterance_id"])
    has_votes_N = n_NK.sum(1) > 0
    frame, n_NK = frame.filter(pl.Series(has_votes_N)), n_NK[has_votes_N]
    if frame.height < 20:
        raise UserError(
            f"the tiny ALM is trained on utterances of split 'pretrain' that have votes; {frame.height} are too few, "
            "at least 20 are needed (ingest with --shares 0.5,0.2,0.1,0.2, or use another ALM)"
        )
    p_NK = n_NK / n_NK.sum(1, keepdims=True)
    is_kept_back_N = keep_back(frame, seed)
    recipe = recipe_for(size, frame.height, epochs, seed)
    work = cache / _fingerprint(frame, n_NK, labels, recipe) if cache else None
    with _repeatable(recipe.threads):
        trained = _train(frame, labels, p_NK, is_kept_back_N, recipe, work, out)
    if work:
        shutil.rmtree(work, ignore_errors=True)
    return trained


def recipe_for(size: Size, clips: int, epochs: int | None, seed: int) -> Recipe:
    """The recipe of this size, with the given epochs and seed."""
    if epochs is not None and epochs < 1:
        raise UserError(f"--epochs must be at least 1, found {epochs}")
    if size == "auto":
        size = "small" if clips < _SMALL_BELOW else "base"
    base = SMALL if size == "small" else BASE
    heard = max(clips, 1) * (1 + base.listening.copies)
    chosen = epochs or max(base.listening.epochs, -(-_LEAST_STEPS * base.listening.batch // heard))
    listening = replace(base.listening, seed=seed, epochs=chosen)
    return replace(base, listening=listening, answering=replace(base.answering, seed=seed))


def keep_back(frame: pl.DataFrame, seed: int) -> NDArray[np.bool_]:
    """Which utterances choose the weights: those of about _KEPT_BACK of the speakers, at least one.

    Where fewer than three speakers are known, utterances are drawn instead.
    """
    rng = np.random.default_rng([seed, 11])
    speakers = sorted(frame["speaker"].drop_nulls().unique())
    if len(speakers) < 3:
        return np.asarray(rng.permutation(frame.height) < max(1, round(_KEPT_BACK * frame.height)))
    count = max(1, round(_KEPT_BACK * len(speakers)))
    chosen = set(rng.permutation(np.array(speakers))[:count].tolist())
    return np.array([speaker in chosen for speaker in frame["speaker"]])


def _train(
    frame: pl.DataFrame,
    labels: tuple[str, ...],
    p_NK: NDArray[np.float64],
    is_kept_back_N: NDArray[np.bool_],
    recipe: Recipe,
    work: Path | None,
    out: Path,
) -> Trained:
    import torch

    from ambivox.models.embedded_alm.tokenizer import build_tokenizer

    transcripts = frame["transcript"].to_list()
    tokenizer = build_tokenizer(labels, _texts(labels, transcripts))
    mels = log_mels(frame["audio"].to_list(), work)
    torch.manual_seed(recipe.listening.seed)
    model = build_model(recipe.shape(len(labels)), tokenizer)
    tower, places = model.model.audio_tower.eval(), Places(recipe.bands, len(labels))
    write_moments(tower, places)
    listening = train_listener(tower, places, mels, p_NK, is_kept_back_N, recipe.listening)
    prior_K = p_NK[~is_kept_back_N].mean(0)
    write_circuit(model, tokenizer, labels, *head_of(tower, places), prior_K)
    heard, q_NK = _heard(tower, places, mels)
    clips = Clips(heard, transcripts, q_NK, p_NK)
    answering = train_answerer(model, tokenizer, labels, clips, is_kept_back_N, recipe.answering)
    model.eval()

    kept_NK = p_NK[is_kept_back_N]
    best = min(answering, key=lambda entry: entry["validation_loss"])
    prior_NK = np.broadcast_to(prior_K, kept_NK.shape)
    trained = Trained(
        clips=int((~is_kept_back_N).sum()),
        speakers=frame.filter(pl.Series(~is_kept_back_N))["speaker"].n_unique(),
        kept_back_clips=int(is_kept_back_N.sum()),
        kept_back_speakers=frame.filter(pl.Series(is_kept_back_N))["speaker"].n_unique(),
        parameters=sum(weight.numel() for weight in model.parameters()),
        js=best["validation_js"],
        prior_js=float(jensen_shannon(kept_NK, prior_NK).mean()),
        accuracy=best["validation_accuracy"],
        prior_accuracy=float((kept_NK.argmax(1) == prior_K.argmax()).mean()),
        label_mass=best["label_mass"],
        listening=listening,
        answering=answering,
    )
    with atomic_folder(out) as temporary:
        save_folder(model, tokenizer, temporary)
        write_json(temporary / "training.json", asdict(trained) | {"recipe": asdict(recipe)})
    return trained


def _heard(tower: Any, places: Places, mels: Mels) -> tuple[list[torch.Tensor], NDArray[np.float64]]:
    """The tower's output for each clip, frames x D, and the distribution that it says, N x K."""
    import torch

    head = head_of(tower, places)
    heard: list[torch.Tensor] = [torch.empty(0)] * len(mels)
    q_NK = np.zeros((len(mels), places.label_count))
    order = np.argsort(mels.frames_N, kind="stable")
    with torch.no_grad():
        for start in range(0, len(order), 32):
            part = order[start : start + 32]
            batch = pad_batch([mels.clip(int(row)) for row in part])
            h_BLD, there_BL = hear(tower, batch, torch.from_numpy(mels.frames_N[part]))
            q_NK[part] = torch.softmax(mean_logits(h_BLD, there_BL, *head).double(), dim=1).numpy()
            for row, h_LD, there_L in zip(part, h_BLD, there_BL, strict=True):
                heard[row] = h_LD[there_L].clone()
    return heard, q_NK


def _texts(labels: tuple[str, ...], transcripts: list[str | None]) -> Iterator[str]:
    """What the tokenizer learns its words from: every kind of prompt, and what the speakers say."""
    from ambivox.models.embedded_alm.tokenizer import SPECIAL_TOKENS
    from ambivox.models.prompting.personas import BUILT_IN
    from ambivox.models.prompting.prompts import Elicitation, build_prompts

    kinds: tuple[Elicitation, ...] = ("exact", "sampled", "verbalised")
    for kind in kinds:
        for prompt in build_prompts(labels, BUILT_IN, 2, modality="both", elicitation=kind):
            yield prompt.text("", SPECIAL_TOKENS) + "\nassistant\nuser\nsystem\n"
    yield from (text for text in transcripts if text)


def _fingerprint(
    frame: pl.DataFrame, n_NK: NDArray[np.float64], labels: tuple[str, ...], recipe: Recipe
) -> str:
    digest = hashlib.sha256(json.dumps([VERSION, WINDOW_FRAMES, labels, asdict(recipe)]).encode())
    for column in ("utterance_id", "audio_sha256", "transcript", "speaker"):
        digest.update(json.dumps(frame[column].to_list()).encode())
    digest.update(n_NK.tobytes())
    return digest.hexdigest()[:16]


@contextmanager
def _repeatable(threads: int) -> Iterator[None]:
    """The same arithmetic in every run: a fixed number of threads and deterministic kernels."""
    import torch

    before, was = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(was)


def _require_torch() -> None:
    from importlib.util import find_spec

    for library in ("torch", "transformers"):
        if find_spec(library) is None:
            raise MissingExtraError(library, "train")

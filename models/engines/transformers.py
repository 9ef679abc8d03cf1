"""transformers as the engine: the others are tested against it, and it serves where vLLM is not installed.

Batches are padded on the left, so that the last position of every row is the end of its prompt.
"""

from __future__ import annotations

import importlib.metadata
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.alms import resolve
from ambivox.models.engines import EngineChoice, Writing
from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.chat import Chat, load_chat
from ambivox.models.prompting.request import Request

if TYPE_CHECKING:
    import torch

_BATCH = 16


class TransformersEngine:
    """One model, on the GPU where there is one, else on the CPU."""

    def __init__(self, chat: Chat, model: Any, rate_hz: int, name: str) -> None:
        self.version = name
        self.chat = chat
        self.model = model
        self.rate_hz = rate_hz
        self.chat.tokenizer.padding_side = "left"
        if self.chat.tokenizer.pad_token is None:
            self.chat.tokenizer.pad_token = self.chat.tokenizer.eos_token

    def score(self, requests: Iterable[Request]) -> NDArray[np.float64]:
        """As ``Engine.score``."""
        return np.concatenate([self._score_batch(batch) for batch in _batches(requests)])

    def generate(self, requests: Sequence[Request], writings: Sequence[Writing]) -> list[str]:
        """As ``Engine.generate``. One letter is drawn from its exact distribution: the same thing."""
        answers = [""] * len(requests)
        letters = [row for row, writing in enumerate(writings) if writing.choices]
        if letters:
            logprobs = self.score(requests[row] for row in letters)
            for row, logprobs_K in zip(letters, logprobs, strict=True):
                answers[row] = draw(logprobs_K, writings[row])
        for row in sorted(set(range(len(requests))) - set(letters)):
            answers[row] = self._write(requests[row], writings[row])
        return answers

    def close(self) -> None:
        """Drop the model."""
        self.model = None

    def _score_batch(self, batch: Sequence[Request]) -> NDArray[np.float64]:
        import torch

        inputs, rendered = self._inputs(batch)
        with torch.inference_mode():
            logits = self.model(**inputs, use_cache=False).logits[:, -1].double()
        logprobs = torch.log_softmax(logits, dim=-1)
        codes = batch[0].prompt.codes[: len(batch[0].prompt.labels)]
        ids = self.chat.code_ids(codes, rendered[0])
        return np.asarray(logprobs[:, ids].cpu().numpy())

    def _write(self, request: Request, writing: Writing) -> str:
        import torch

        torch.manual_seed(writing.seed)
        sampling = (
            {"do_sample": True, "temperature": writing.temperature}
            if writing.temperature > 0
            else {"do_sample": False}
        )
        inputs, _ = self._inputs([request])
        with torch.inference_mode():
            written = self.model.generate(**inputs, max_new_tokens=writing.max_tokens, **sampling)
        answer: str = self.chat.tokenizer.decode(
            written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return answer

    def _inputs(self, batch: Sequence[Request]) -> tuple[dict[str, torch.Tensor], list[str]]:
        rendered = [self.chat.render(request) for request in batch]
        audio = [request.audio for request in batch if request.audio is not None]
        # Padding is for the text alone: front ends pad audio to what their encoder takes.
        heard = {"audio": audio, "audio_kwargs": {"sampling_rate": self.rate_hz}} if audio else {}
        if audio and len(audio) < len(batch):
            raise ValueError("a batch holds requests with audio or without, not both")
        if audio:
            inputs = self.chat.processor(
                text=rendered, **heard, text_kwargs={"padding": True}, return_tensors="pt"
            )
        else:
            inputs = self.chat.tokenizer(text=rendered, padding=True, return_tensors="pt")
        return {name: value.to(self.model.device) for name, value in inputs.items()}, rendered


def start(choice: EngineChoice) -> TransformersEngine:
    """Load the ALM's processor and model.

    Raises:
        UserError: transformers is not installed, or the weights cannot be loaded.
    """
    resolved = resolve(choice.alm)
    chat = load_chat(resolved)
    return TransformersEngine(chat, _load(resolved), resolved.alm.rate_hz, version(choice))


def version(choice: EngineChoice) -> str:  # noqa: ARG001
    """The library, its version and the precision."""
    return f"transformers {importlib.metadata.version('transformers')} {_precision()}"


def draw(logprobs_K: NDArray[np.float64], writing: Writing) -> str:
    """One of ``writing.choices``, drawn at its temperature from their log probabilities."""
    scaled = logprobs_K / max(writing.temperature, 1e-6)
    p_K = np.exp(scaled - np.logaddexp.reduce(scaled))
    return writing.choices[int(np.random.default_rng(writing.seed).choice(len(p_K), p=p_K / p_K.sum()))]


def _batches(requests: Iterable[Request]) -> Iterator[list[Request]]:
    # Requests with audio and without go in separate batches, in order.
    for _, alike in itertools.groupby(
        requests, key=lambda request: (request.audio is None, len(request.prompt.labels))
    ):
        while batch := list(itertools.islice(alike, _BATCH)):
            yield batch


def _precision() -> str:
    import torch

    return "bfloat16" if torch.cuda.is_available() else "float32"


def _load(resolved: ResolvedAlm) -> Any:
    try:
        import torch
        import transformers
        from safetensors import SafetensorError
    except ImportError as error:
        raise MissingExtraError("transformers", "train") from error
    if resolved.is_local:
        # Seconds; only a download is worth a bar among our own.
        transformers.utils.logging.disable_progress_bar()
    kind = getattr(transformers, resolved.alm.transformers_class)
    revision = None if resolved.is_local else resolved.revision
    try:
        model = kind.from_pretrained(
            resolved.source,
            revision=revision,
            dtype=getattr(torch, _precision()),
            local_files_only=resolved.is_local,
            use_safetensors=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"{resolved.source}: its weights cannot be loaded ({reason})") from error
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

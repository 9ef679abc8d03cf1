"""transformers: the reference for the tests of the other engines, and the default where vLLM is not installed.

Batches are padded on the left, so that the last position of every row is the end of its prompt.
"""

from __future__ import annotations

import importlib.metadata
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ambivox.models import token_count
from ambivox.models.alms import resolve
from ambivox.models.engines import LONGEST_STEP_SECONDS, EngineChoice, GenerationSettings, Scores
from ambivox.models.engines.transformers_weights import load_weights
from ambivox.models.errors import UNAVAILABLE, MissingExtraError, OutageError
from ambivox.models.processes.interruption import end_stuck_command
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.chat import Chat, load_chat
from ambivox.models.prompting.known_tokens import check_known_tokens
from ambivox.models.prompting.request import Request
from ambivox.models.time_limit import TimeLimitError, within

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
_BATCH_SIZE = 16


class TransformersEngine:
    """A model on the GPU if there is one, else on the CPU.

    Args:
        chat: renders the prompts and holds the processor.
        model: the model of ``Alm.transformers_class``.
        rate_hz: the sample rate of the requests' audio.
        engine_version: the version string of the engine.
    """

    def __init__(self, chat: Chat, model: Any, rate_hz: int, engine_version: str) -> None:
        self.version = engine_version
        self.chat = chat
        self.model = model
        self.rate_hz = rate_hz
        self.chat.tokenizer.padding_side = "left"
        if self.chat.tokenizer.pad_token is None:
            self.chat.tokenizer.pad_token = self.chat.tokenizer.eos_token

    def score(self, requests: Iterable[Request]) -> Scores:
        """See ``Engine.score``."""
        return Scores(np.concatenate([self._score_batch(batch) for batch in _batches(requests)]))

    def generate(self, requests: Sequence[Request], settings: Sequence[GenerationSettings]) -> list[str]:
        """See ``Engine.generate``. A code is drawn from its exact distribution, which is equivalent."""
        responses = [""] * len(requests)
        code_rows = [row for row, setting in enumerate(settings) if setting.choices]
        if code_rows:
            logprobs_RK = self.score(requests[row] for row in code_rows).logprobs_RK
            for row, logprobs_K in zip(code_rows, logprobs_RK, strict=True):
                responses[row] = draw_code(logprobs_K, settings[row])
        for row in sorted(set(range(len(requests))) - set(code_rows)):
            responses[row] = self._generate_text(requests[row], settings[row])
        return responses

    def close(self) -> None:
        """Release the model."""
        self.model = None

    def _score_batch(self, batch: Sequence[Request]) -> NDArray[np.float64]:
        import torch

        def forward() -> torch.Tensor:
            inputs = self._inputs(batch)
            with torch.inference_mode():
                logits: torch.Tensor = self.model(**inputs, use_cache=False).logits[:, -1].double()
            return torch.log_softmax(logits, dim=-1).cpu()

        logprobs = _in_time(forward)
        ids = self.chat.answer_ids(batch[0])
        check_known_tokens(ids, logprobs.shape[1])
        return np.asarray(logprobs[:, ids].numpy())

    def _generate_text(self, request: Request, settings: GenerationSettings) -> str:
        import torch

        torch.manual_seed(settings.seed)
        is_sampled = settings.temperature > 0
        sampling = {"do_sample": is_sampled} | ({"temperature": settings.temperature} if is_sampled else {})

        def generate() -> str:
            inputs = self._inputs([request])
            with torch.inference_mode():
                tokens = self.model.generate(**inputs, max_new_tokens=settings.max_tokens, **sampling)
            response: str = self.chat.tokenizer.decode(
                tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
            return response

        return _in_time(generate)

    def _inputs(self, batch: Sequence[Request]) -> dict[str, torch.Tensor]:
        rendered = [self.chat.render(request) for request in batch]
        audio = [request.audio for request in batch if request.audio is not None]
        assert len(audio) in (0, len(batch)), "a batch holds requests with audio or without, not both"
        if audio:
            # Only the text is padded here: the front end pads the audio to the length that its encoder needs.
            inputs = self.chat.processor(
                text=rendered,
                audio=audio,
                audio_kwargs={"sampling_rate": self.rate_hz},
                text_kwargs={"padding": True},
                return_tensors="pt",
            )
        else:
            inputs = self.chat.tokenizer(text=rendered, padding=True, return_tensors="pt")
        rows = self.model.get_input_embeddings().num_embeddings
        check_known_tokens(inputs["input_ids"].unique().tolist(), rows, self.chat.audio_token_id)
        token_count.add(int(inputs["attention_mask"].sum()))
        return {name: value.to(self.model.device) for name, value in inputs.items()}


def start(choice: EngineChoice) -> TransformersEngine:
    """Load the ALM's processor and model.

    Args:
        choice: the ALM.

    Returns:
        The engine.

    Raises:
        UserError: transformers is not installed, or the weights cannot be loaded.
    """
    resolved = resolve(choice.alm)
    chat = load_chat(resolved)
    return TransformersEngine(chat, _load(resolved), resolved.alm.rate_hz, version(choice))


def version(choice: EngineChoice) -> str:  # noqa: ARG001 - every engine's signature
    """The library, its version and the precision."""
    return f"transformers {importlib.metadata.version('transformers')} {_precision()}"


def identity(choice: EngineChoice) -> dict[str, Any]:  # noqa: ARG001 - every engine's signature
    """What decides the answers besides the version: the device and the library that prepares the audio."""
    import torch

    return {
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "torch": importlib.metadata.version("torch"),
        "dtype": _precision(),
    }


def draw_code(logprobs_K: NDArray[np.float64], settings: GenerationSettings) -> str:
    """Draw an answer code.

    Args:
        logprobs_K: the natural-log probability of each code.
        settings: the codes, temperature and seed.

    Returns:
        One of ``settings.choices``.
    """
    scaled_K = logprobs_K / max(settings.temperature, 1e-6)
    p_K = np.exp(scaled_K - np.logaddexp.reduce(scaled_K))
    rng = np.random.default_rng(settings.seed)
    return settings.choices[int(rng.choice(len(p_K), p=p_K / p_K.sum()))]


def _in_time(step: Callable[[], T]) -> T:
    """Call a step of the model: a model folder decides which code runs, and that may not end.

    Raises:
        OutageError: it took longer than LONGEST_STEP_SECONDS. Where it is inside one call of a library that does not
            return, a command ends with the same line and exit code.
    """
    message = (
        f"transformers gave no answer for {LONGEST_STEP_SECONDS:.0f} s; stored answers are kept, and the same command "
        "resumes"
    )
    try:
        return within(LONGEST_STEP_SECONDS, step, lambda: end_stuck_command(message, UNAVAILABLE))
    except TimeLimitError as error:
        raise OutageError(message) from error


def _batches(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """Batches in order; requests with audio and without are not mixed."""
    for _, group in itertools.groupby(
        requests, key=lambda request: (request.audio is None, len(request.prompt.labels))
    ):
        while batch := list(itertools.islice(group, _BATCH_SIZE)):
            yield batch


def _precision() -> str:
    import torch

    return "bfloat16" if torch.cuda.is_available() else "float32"


def _load(resolved: ResolvedAlm) -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "train") from error
    model = load_weights(resolved, getattr(torch, _precision()))
    return model.to("cuda" if torch.cuda.is_available() else "cpu").eval()

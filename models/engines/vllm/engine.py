"""vLLM in this process, with its batching, prefix cache and encoder cache.

Requests are enqueued one by one while further clips are decoded, and the engine's own process works on them at the same
time. All prompts of a clip use the same identifier for it, so that its features are computed once and its keys and
values are shared.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from pydantic import ValidationError

from ambivox.models import token_count
from ambivox.models.alms import resolve
from ambivox.models.engines import EngineChoice, GenerationSettings, Scores
from ambivox.models.engines.vllm.arguments import arguments, is_on_cpu, version
from ambivox.models.engines.vllm.inputs import InputPreparer
from ambivox.models.engines.vllm.processors import check_processors
from ambivox.models.engines.vllm.silence import EngineSilentError, watch
from ambivox.models.errors import MissingExtraError, OutageError, UserError
from ambivox.models.prompting.chat import Chat, load_chat
from ambivox.models.prompting.known_tokens import check_known_tokens
from ambivox.models.prompting.request import Request

# GiB for keys and values on the CPU; by default vLLM takes a share of all memory.
_CPU_CACHE_GIB = "2"


class VllmEngine:
    """A ``vllm.LLM``. Calls must not overlap; ``open_engine`` opens one engine per process.

    Args:
        llm: the running ``vllm.LLM``.
        chat: renders the prompts.
        rate_hz: the sample rate of the requests' audio.
        engine_version: the version string of the engine.
    """

    def __init__(self, llm: Any, chat: Chat, rate_hz: int, engine_version: str) -> None:
        self.version = engine_version
        self.chat = chat
        self.llm = llm
        self.rate_hz = rate_hz
        self._rows = llm.llm_engine.model_config.get_vocab_size()
        self._inputs = InputPreparer(llm._preprocess_cmpl_one)

    def score(self, requests: Iterable[Request]) -> Scores:
        """See ``Engine.score``."""
        from vllm import SamplingParams

        ids: list[int] = []
        for request in requests:
            if not ids:
                ids = self.chat.answer_ids(request)
                check_known_tokens(ids, self._rows)
                # All requests share one object: a deep copy costs as much as the tokens of a prompt.
                params = SamplingParams(
                    max_tokens=1, temperature=0, logprob_token_ids=ids, detokenize=False, skip_clone=True
                )
            self._enqueue(request, params)
        rows = [[output.outputs[0].logprobs[0][token].logprob for token in ids] for output in self._finish()]
        return Scores(np.array(rows, dtype=np.float64).reshape(len(rows), len(ids)))

    def generate(self, requests: Sequence[Request], settings: Sequence[GenerationSettings]) -> list[str]:
        """See ``Engine.generate``. Token ids constrain codes, and a grammar constrains JSON."""
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        ids: list[int] = []
        for request, setting in zip(requests, settings, strict=True):
            constraint: dict[str, Any] = {}
            if setting.choices:
                ids = ids or self.chat.answer_ids(request)
                constraint = {"allowed_token_ids": ids[: len(setting.choices)]}
            elif setting.schema is not None:
                constraint = {"structured_outputs": StructuredOutputsParams(json=setting.schema)}
            params = SamplingParams(
                max_tokens=setting.max_tokens,
                temperature=setting.temperature,
                seed=setting.seed,
                **constraint,
            )
            self._enqueue(request, params)
        return [output.outputs[0].text for output in self._finish()]

    def close(self) -> None:
        """Stop the engine's process."""
        gc.unfreeze()
        self.llm.llm_engine.engine_core.shutdown()

    def prompt(self, request: Request) -> dict[str, Any]:
        """A request as a prompt of vLLM.

        Args:
            request: the request.

        Returns:
            The tokens and the audio. The prompt is tokenised here, so that its tokens are those with which the answer
            codes were checked.

        Raises:
            UserError: the weights lack a token.
        """
        tokens = self.chat.tokens(request)
        check_known_tokens(tokens, self._rows, self.chat.audio_token_id)
        prompt: dict[str, Any] = {"prompt_token_ids": tokens}
        if request.audio is not None:
            prompt["multi_modal_data"] = {"audio": (request.audio, self.rate_hz)}
            prompt["multi_modal_uuids"] = {"audio": request.audio_name}
        return prompt

    def _enqueue(self, request: Request, params: Any) -> None:
        """Like ``LLM.enqueue`` with one prompt, but the audio of a clip is prepared once."""
        prompt = self.prompt(request)
        token_count.add(len(prompt["prompt_token_ids"]))
        self.llm._add_request(self._inputs.prepare(prompt), params)

    def _finish(self) -> list[Any]:
        try:
            finished: list[Any] = self.llm.wait_for_completion(use_tqdm=False)
        except Exception as error:
            # vLLM raises exceptions of many types here; all mean that its process has ended.
            reason = (
                str(error) if isinstance(error, EngineSilentError) else f"{type(error).__name__}: {error}"
            )
            raise OutageError(
                f"vLLM failed ({reason}); stored answers are kept, and the same command resumes"
            ) from error
        return finished


def start(choice: EngineChoice) -> VllmEngine:
    """Start vLLM on this ALM, which takes about half a minute on a CPU.

    Args:
        choice: the ALM.

    Returns:
        The running engine.

    Raises:
        UserError: vLLM is not installed or does not start.
    """
    # Only errors of vLLM and of torch's C++ part should interrupt the progress bars.
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", _CPU_CACHE_GIB)
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    resolved = resolve(choice.alm)
    chat = load_chat(resolved)
    try:
        from vllm import LLM
    except ImportError as error:
        raise MissingExtraError("vllm", "cpu") from error
    if is_on_cpu():
        _check_kernels()
        check_processors()
        _compile_only_with_a_compiler()
    try:
        with _one_core_left_free():
            llm = LLM(**arguments(resolved))
    except Exception as error:
        # The folder decides which code of vLLM and transformers runs, and that raises exceptions of many types.
        raise UserError(
            f"vLLM does not start on {resolved.source}: {type(error).__name__}: {_first_line(error)}"
        ) from error
    watch(llm)
    # With thousands of waiting requests, the garbage collector would scan all objects of torch and vLLM repeatedly.
    gc.collect()
    gc.freeze()
    return VllmEngine(llm, chat, resolved.alm.rate_hz, version(choice))


def _check_kernels() -> None:
    """Check that the compiled kernels load: vLLM itself only logs that they do not, and fails later.

    Raises:
        UserError: they cannot be loaded.
    """
    try:
        import vllm._C  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"vLLM's compiled kernels cannot be loaded ({_first_line(error)}); install what is missing (on Debian and "
            "Ubuntu: apt install libnuma1), or use --engine transformers"
        ) from error


@contextmanager
def _one_core_left_free() -> Iterator[None]:
    """On a CPU, let the engine's process use all cores but one, on which this process prepares inputs.

    With as many threads as cores, the engine's threads would wait for the one whose core is busy.
    """
    name = "OMP_NUM_THREADS"
    if name in os.environ or not is_on_cpu():
        yield
        return
    os.environ[name] = str(max(1, (os.cpu_count() or 1) - 1))
    try:
        yield
    finally:
        del os.environ[name]


def _compile_only_with_a_compiler() -> None:
    """Have torch compile nothing where there is no C++ compiler.

    On a CPU, vLLM compiles a step of its sampler at the first answer, and an engine that cannot is ended by that.
    """
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")


def _first_line(error: BaseException) -> str:
    """What went wrong: of an error of pydantic, whose first line only counts, the first reason."""
    if isinstance(error, ValidationError):
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

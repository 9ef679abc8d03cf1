"""Batch files on the local hosted server, as OpenAI documents them, with the faults that providers have shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Any

Reply = Callable[[dict[str, Any], str], tuple[int, dict[str, str], Any]]
# A chat completion, "expired", or "refused".
Outcome = dict[str, Any] | str
UNDECODABLE = "the audio cannot be decoded"


@dataclass
class BatchDesk:
    """Files and batches.

    Attributes:
        reply: answers one chat completion.
        fault: "wrong keys" (answers under the names of other rows), "expired", "half expired", "row errors" (every fourth row),
            "failed" (as a whole), "twice" (a row), "unknown" (a row that was not asked), "not offered", "lost" (the
            answer to the first creation), "cut" (the result file ends in the middle of a line).
        polls: how often a batch is in progress before it ends.
    """

    reply: Reply
    fault: str = ""
    polls: int = 1
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    created: int = 0

    def post(self, path: str, content_type: str, raw: bytes) -> tuple[int, Any]:
        """Status and JSON body of the answer to POST /files or /batches."""
        if self.fault == "not offered":
            return 404, {"error": {"message": "batches are not offered for this model"}}
        if path == "/files":
            form = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + raw)
            parts = {part.get_param("name", header="content-disposition"): part for part in form.walk()}
            assert parts["purpose"].get_payload() == "batch"
            name = f"file-{len(self.files)}"
            self.files[name] = parts["file"].get_payload(decode=True)  # type: ignore[union-attr,assignment]
            return 200, {"id": name, "object": "file"}
        body = json.loads(raw)
        assert body["endpoint"] == "/v1/chat/completions" and body["completion_window"] == "24h"
        name = f"batch_{len(self.batches)}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "status": "in_progress",
            "input_file_id": body["input_file_id"],
            "metadata": body["metadata"],
            "polled": 0,
        }
        self.created += 1
        if self.fault == "lost" and self.created == 1:
            return 500, {"error": {"message": "try again"}}
        return 200, self.batches[name]

    def get(self, path: str, key: str) -> tuple[int, Any]:
        """Status and body of the answer to GET /batches, /batches/ID or /files/ID/content."""
        first, _, rest = path.lstrip("/").partition("/")
        if first == "files":
            return 200, self.files[rest.partition("/")[0]]
        if not rest:
            return 200, {"object": "list", "data": list(self.batches.values())[::-1], "has_more": False}
        batch = self.batches[rest]
        batch["polled"] += 1
        if batch["status"] == "in_progress" and batch["polled"] > self.polls:
            self._end(batch, key)
        return 200, batch

    def asked(self) -> list[tuple[str, dict[str, Any]]]:
        """Names and chat completions of the rows of the first batch, in the order of its file."""
        return self.rows(next(iter(self.batches.values()))["input_file_id"])

    def rows(self, file: str) -> list[tuple[str, dict[str, Any]]]:
        """Names and chat completions of the rows of a file."""
        lines = [json.loads(line) for line in self.files[file].splitlines()]
        return [(line["custom_id"], line["body"]) for line in lines]

    def outcomes(self, file: str, key: str) -> list[tuple[str, Outcome]]:
        """What becomes of each row of a file."""
        asked = self.rows(file)
        names = [name for name, _ in asked]
        assert len(set(names)) == len(names)
        if self.fault == "wrong keys":
            names = [*names[1:], names[0]]
        found: list[tuple[str, Outcome]] = []
        for number, (name, (_, body)) in enumerate(zip(names, asked, strict=True)):
            if self.fault == "half expired" and number % 2:
                found.append((name, "expired"))
            elif self.fault == "row errors" and number % 4 == 0:
                found.append((name, "refused"))
            else:
                status, _, reply = self.reply(body, key)
                assert status == 200, reply
                found.append((name, reply))
        if self.fault == "twice":
            found.append(next(each for each in found if not isinstance(each[1], str)))
        if self.fault == "unknown":
            found.append(("somebody-elses", found[0][1]))
        return found

    def _end(self, batch: dict[str, Any], key: str) -> None:
        if self.fault == "failed":
            batch |= {"status": "failed", "errors": {"data": [{"message": "line 3 is too long"}]}}
            return
        if self.fault == "expired":
            batch |= {"status": "expired"}
            return
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for name, outcome in self.outcomes(batch["input_file_id"], key):
            if outcome == "expired":
                bad.append({"custom_id": name, "response": None, "error": {"code": "batch_expired"}})
            elif outcome == "refused":
                response = {"status_code": 400, "body": {"error": {"message": UNDECODABLE}}}
                bad.append({"custom_id": name, "response": response, "error": None})
            else:
                answered = {"status_code": 200, "body": outcome}
                good.append({"custom_id": name, "response": answered, "error": None})
        output, errors = f"out-{batch['id']}", f"err-{batch['id']}"
        self.files[output] = b"".join(json.dumps(row).encode() + b"\n" for row in good)
        self.files[errors] = b"".join(json.dumps(row).encode() + b"\n" for row in bad)
        if self.fault == "cut":
            self.files[output] = self.files[output][:-20]
        state = "expired" if self.fault == "half expired" else "completed"
        batch |= {"status": state, "output_file_id": output, "error_file_id": errors if bad else None}

"""Which process executes which flow run, so that runs of processes that were killed do not stay RUNNING in Prefect.

A record is a file .ambivox/prefect/runs/<flow run>.json. It is removed when the flow ends; where it is left, the next
run closes the flow run and its task runs. Requests go to the API directly, without Prefect's client, because they are
made while a process ends.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter

from ambivox.flows.prefect_settings import prefect_home
from ambivox.flows.server_access import client_credentials
from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.json_documents import read_json_document

_UNFINISHED = ("RUNNING", "PENDING", "SCHEDULED", "CANCELLING", "PAUSED")
_TIMEOUT_SECONDS = 1.0


class _Record(BaseModel):
    """The process that executes a flow run, and when it was started (process ids are used again)."""

    process: int
    started: str


_RECORD = TypeAdapter(_Record)


@contextlib.contextmanager
def recorded(project: Path, flow_run: str) -> Iterator[None]:
    """While the block runs, this process is recorded as the one that executes a flow run."""
    path = _folder(project) / f"{flow_run}.json"
    write_json(path, {"process": os.getpid(), "started": _start_time(os.getpid())})
    try:
        yield
    except Exception:
        path.unlink(missing_ok=True)
        raise
    # After a signal, which is no Exception, the record stays until the flow run is closed.
    path.unlink(missing_ok=True)


def have_ended(project: Path) -> bool:
    """Whether there are flow runs whose process has ended without saying so."""
    return any(not _is_running(path) for path in _folder(project).glob("*.json"))


def close_ended_runs(project: Path, api_url: str) -> list[str]:
    """Set flow runs whose process has ended without saying so to Crashed; returns their ids."""
    closed = []
    for path in sorted(_folder(project).glob("*.json")):
        # Where the server does not answer, the next run tries again.
        if not _is_running(path) and close_run(
            api_url, path.stem, "CRASHED", "the process of this run was ended"
        ):
            path.unlink(missing_ok=True)
            closed.append(path.stem)
    return closed


def _is_running(path: Path) -> bool:
    record = _read(path)
    return record is not None and _start_time(record.process) == record.started


def close_own_runs(project: Path, api_url: str, message: str) -> None:
    """Set the flow runs of this process to Cancelled."""
    for path in sorted(_folder(project).glob("*.json")):
        record = _read(path)
        is_own = record is not None and record.process == os.getpid()
        if is_own and close_run(api_url, path.stem, "CANCELLED", message):
            path.unlink(missing_ok=True)


def close_run(api_url: str, flow_run: str, state: str, message: str) -> bool:
    """Give a flow run and its unfinished task runs a final state.

    Returns:
        Whether the flow run has a final state now, or is not known; False where the server did not answer.
    """
    import httpx

    body = {"state": {"type": state, "message": message}, "force": True}
    with (
        contextlib.suppress(httpx.HTTPError, httpx.InvalidURL, ValueError),
        httpx.Client(base_url=api_url, timeout=_TIMEOUT_SECONDS, auth=client_credentials()) as client,
    ):
        response = client.get(f"/flow_runs/{flow_run}")
        if response.is_error and response.status_code != httpx.codes.NOT_FOUND:
            return False
        if response.is_error or response.json().get("state_type") not in _UNFINISHED:
            return True
        client.post(f"/flow_runs/{flow_run}/set_state", json=body)
        unfinished: dict[str, Any] = {
            "flow_runs": {"id": {"any_": [flow_run]}},
            "task_runs": {"state": {"type": {"any_": list(_UNFINISHED)}}},
        }
        for task_run in client.post("/task_runs/filter", json=unfinished).json():
            client.post(f"/task_runs/{task_run['id']}/set_state", json=body)
        return True
    return False


def _read(path: Path) -> _Record | None:
    """A record; None where it is damaged or gone."""
    try:
        return read_json_document(path, _RECORD, "the record of a run")
    except UserError:
        return None


def _folder(project: Path) -> Path:
    return prefect_home(project) / "runs"


def _start_time(process: int) -> str:
    """When a process started, in the system's own unit; empty for one that does not run."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]

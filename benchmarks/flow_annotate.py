"""The flow ``annotate`` on an empty store with a Prefect server of its own, for the other benchmarks.

Prints its time, its shards and its calls of Prefect's API, which are counted where they leave the process. The server is
like that of ``ambivox ui``. It is a child of this process, so that the processor time of both is measured together.

    python -m benchmarks.flow_annotate FOLDER [--shard 256]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any


def run_flow(folder: Path, shard: int) -> dict[str, float]:
    """Run the flow in this process on ``folder/data/ingest``; its figures."""
    import httpx

    from ambivox.flows import prefect_settings
    from ambivox.flows.prefect_server import PrefectServer

    project = folder / "project"
    project.mkdir()
    prefect_settings.apply_settings(project)
    server = PrefectServer.start(project, with_ui=True)
    os.environ["PREFECT_API_URL"] = server.url
    calls = 0
    try:
        server.wait()
        from ambivox.flows.annotate import annotate
        from ambivox.tasks.annotate import AnnotateOptions

        for client in (httpx.Client, httpx.AsyncClient):
            send: Any = client.send

            def counted(self: Any, request: Any, *others: Any, _send: Any = send, **named: Any) -> Any:
                nonlocal calls
                calls += request.url.port == httpx.URL(server.url).port
                return _send(self, request, *others, **named)

            client.send = counted  # type: ignore[method-assign]
        utterances = folder / "data" / "ingest" / "utterances.parquet"
        options = AnnotateOptions(engine="fake", store=str(folder / "flow store"), shard=shard)
        started = time.perf_counter()
        annotate(str(utterances), "qwen2_audio", str(folder / "flow out"), options)
        flow_seconds = round(time.perf_counter() - started, 1)
    finally:
        server.stop()
    shards = len(list((folder / "flow store").rglob("*.parquet")))
    return {"api_calls": calls, "flow_seconds": flow_seconds, "shards": shards}


def main() -> None:
    """Run the flow, and print its figures as JSON in a line of their own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shard", type=int, default=256)
    options = parser.parse_args()
    print("\n" + json.dumps(run_flow(options.folder, options.shard)), flush=True)


if __name__ == "__main__":
    main()

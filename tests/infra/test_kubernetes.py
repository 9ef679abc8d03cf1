"""The Kubernetes manifests: they match their schemas and each other; no pod runs as root; connections need a policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

INFRA = Path(__file__).parents[2] / "infra"
MANIFESTS = sorted((INFRA / "kubernetes").glob("*.yaml"))
CONTAINER_FILES = sorted(INFRA.glob("*.Containerfile"))


def load(path: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(path))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_match_the_schemas_of_kubernetes(path: Path) -> None:
    checker = pytest.importorskip(
        "kubernetes_validate", reason="pip install kubernetes-validate to check the manifests"
    )
    for manifest in load(path):
        # A resource of KubeRay, for which Kubernetes has no schema.
        if not manifest["apiVersion"].startswith("ray.io/"):
            checker.validate(manifest, "1.31", strict=True)


def pods() -> Iterator[tuple[str, dict[str, str], dict[str, Any]]]:
    """Name, labels and specification of every pod of the manifests."""
    for path in MANIFESTS:
        for manifest in load(path):
            if manifest["kind"] == "Deployment":
                template = manifest["spec"]["template"]
                yield (
                    f"{path.name}: {manifest['metadata']['name']}",
                    template["metadata"]["labels"],
                    template["spec"],
                )
            elif manifest["kind"] == "RayCluster":
                # The labels that the operator gives them.
                labels = {"ray.io/cluster": manifest["metadata"]["name"]}
                spec = manifest["spec"]
                head = spec["headGroupSpec"]["template"]["spec"]
                yield f"{path.name}: head", {**labels, "ray.io/node-type": "head"}, head
                for group in spec["workerGroupSpecs"]:
                    worker = {**labels, "ray.io/node-type": "worker"}
                    yield f"{path.name}: {group['groupName']}", worker, group["template"]["spec"]


PODS = list(pods())


@pytest.mark.parametrize("pod", [pod for _, _, pod in PODS], ids=[name for name, _, _ in PODS])
def test_no_pod_runs_as_root_or_can_become_root(pod: dict[str, Any]) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    # Only the worker asks Kubernetes for something.
    assert ("serviceAccountName" in pod) != (pod.get("automountServiceAccountToken") is False)


@pytest.mark.parametrize("pod", [pod for _, _, pod in PODS], ids=[name for name, _, _ in PODS])
def test_where_the_files_of_an_image_are_read_only_there_are_folders_to_write_to(pod: dict[str, Any]) -> None:
    volumes = {volume["name"] for volume in pod.get("volumes", [])}
    for container in pod["containers"]:
        mounts = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", [])}
        assert {*mounts.values()} <= volumes
        if container["securityContext"].get("readOnlyRootFilesystem"):
            variables = {entry["name"]: entry.get("value", "") for entry in container["env"]}
            assert {"/tmp", variables["HOME"]} <= {*mounts}
            written = [
                variables[name] for name in ("HF_HOME", "PREFECT_UI_STATIC_DIRECTORY") if name in variables
            ]
            assert all(any(Path(folder).is_relative_to(mount) for mount in mounts) for folder in written)


def policies() -> list[dict[str, Any]]:
    return [manifest["spec"] for manifest in load(INFRA / "kubernetes" / "network.yaml")]


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    assert {*selector} <= {"matchLabels"}
    return selector.get("matchLabels", {}).items() <= labels.items()


def test_no_connection_is_accepted_that_no_policy_names() -> None:
    assert {"podSelector": {}, "policyTypes": ["Ingress"]} in policies()
    for policy in policies():
        for rule in policy.get("ingress", []):
            # Never the whole network, and never without a source.
            assert all({*source} == {"podSelector"} for source in rule["from"])


def test_every_policy_is_for_a_pod_and_every_service_is_reached_through_one() -> None:
    named = [policy for policy in policies() if policy["podSelector"]]
    for policy in named:
        assert any(selects(policy["podSelector"], labels) for _, labels, _ in PODS)
    services = [manifest for path in MANIFESTS for manifest in load(path) if manifest["kind"] == "Service"]
    assert len(services) == 2
    for service in services:
        ports = {
            port["port"]
            for policy in named
            if selects(policy["podSelector"], service["spec"]["selector"])
            for rule in policy["ingress"]
            for port in rule["ports"]
        }
        assert ports == {port["targetPort"] for port in service["spec"]["ports"]}


def test_the_dashboard_of_ray_listens_inside_its_pod_only() -> None:
    (cluster,) = load(INFRA / "kubernetes" / "ray.yaml")
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["dashboard-host"] == "127.0.0.1"


def test_every_node_of_ray_asks_for_the_token_of_a_secret() -> None:
    nodes = [pod for name, _, pod in PODS if name.startswith("ray.yaml")]
    assert len(nodes) == 2
    for node in nodes:
        (container,) = node["containers"]
        given = {entry["name"]: entry for entry in container["env"]}
        assert given["RAY_AUTH_MODE"]["value"] == "token"
        assert given["RAY_AUTH_TOKEN"]["valueFrom"] == {
            "secretKeyRef": {"name": "ambivox-ray", "key": "auth_token"}
        }


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


@pytest.mark.parametrize("path", CONTAINER_FILES, ids=lambda path: path.name)
def test_images_run_as_the_user_that_the_manifests_name_and_take_the_lock(path: Path) -> None:
    text = path.read_text()
    user = re.findall(r"^USER (\S+)$", text, re.MULTILINE)[-1]
    assert f"useradd --uid {user} " in text
    built = [pod for _, _, pod in PODS if pod["containers"][0]["image"] == f"ambivox:{path.stem}"]
    assert {pod["securityContext"]["runAsUser"] for pod in built} <= {int(user)}
    copied, run = (
        re.findall(r"^COPY (.+)$", text, re.MULTILINE),
        re.findall(r"^RUN [^&]*", text, re.MULTILINE),
    )
    assert any("requirements.lock" in words.split() for words in copied)
    assert any(
        "infra/install.py" in command or "--constraint requirements.lock" in command for command in run
    )

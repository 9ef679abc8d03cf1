"""The services of a compose file, with the variables filled in as Docker Compose does."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<text>[^}]*))?\})")


@dataclass(frozen=True)
class Service:
    """What a service of the compose file says, as far as this project's file says it.

    Attributes:
        name: by which the others reach it.
        says: its keys and values, variables filled in.
    """

    name: str
    says: Mapping[str, Any]

    @property
    def image(self) -> str:
        """The image's name, with its registry."""
        image = str(self.says["image"])
        first, slash, _ = image.partition("/")
        if slash and "." in first:
            return image
        if "build" in self.says:
            return f"localhost/{image}"
        return f"docker.io/{image}" if slash else f"docker.io/library/{image}"

    @property
    def environment(self) -> dict[str, str]:
        """Its variables."""
        return {name: str(value) for name, value in self.says.get("environment", {}).items()}

    @property
    def container_file(self) -> Path | None:
        """The container file that its image is built from, from the compose file's folder."""
        build = self.says.get("build")
        return Path(build["context"]) / build["dockerfile"] if build else None

    @property
    def needs(self) -> dict[str, str]:
        """The condition of each service that it waits for."""
        return {name: needed["condition"] for name, needed in self.says.get("depends_on", {}).items()}

    def words(self, key: str) -> list[str] | None:
        """``command`` or ``entrypoint`` as words, or None."""
        value = self.says.get(key)
        return None if value is None else shlex.split(value) if isinstance(value, str) else list(value)

    @property
    def health_command(self) -> list[str]:
        """The command that succeeds when it is ready."""
        kind, *words = self.says["healthcheck"]["test"]
        return ["sh", "-c", *words] if kind == "CMD-SHELL" else words

    @property
    def health_seconds(self) -> float:
        """How long it may take to get ready."""
        check = self.says["healthcheck"]
        return float(check["interval"].removesuffix("s")) * int(check["retries"])


def read_services(file: Path, variables: Mapping[str, str]) -> dict[str, Service]:
    """The services by name, those of profiles too, each after those that it waits for.

    Args:
        file: the compose file.
        variables: what ``${NAME}`` stands for.

    Raises:
        SystemExit: if a required variable is empty or missing.
    """
    says = _fill_in(YAML(typ="safe").load(file)["services"], variables)
    services = {name: Service(name, value) for name, value in says.items()}
    ordered: dict[str, Service] = {}
    while len(ordered) < len(services):
        ready = [
            name for name in services if name not in ordered and services[name].needs.keys() <= ordered.keys()
        ]
        assert ready, "services wait for each other"
        ordered |= {name: services[name] for name in ready}
    return ordered


def _fill_in(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _fill_in(each, variables) for name, each in value.items()}
    if isinstance(value, list):
        return [_fill_in(each, variables) for each in value]
    if not isinstance(value, str):
        return value

    def text(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        given = variables.get(found["name"], "")
        if not given and found["kind"] == "?":
            raise SystemExit(f"{found['name']} is missing: {found['text'] or 'it is required'}")
        return given or (found["text"] if found["kind"] == "-" else "")

    return _VARIABLE.sub(text, value)

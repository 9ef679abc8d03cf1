"""The images of a compose file, built by buildah without a registry.

The base of infra/cpu.Containerfile is made by debootstrap: Debian with its own Python, and an environment in /usr/local,
where the official image has Python. Images that other projects publish are replaced by those of benchmarks/stand_ins/, under
their names. All of it is in a storage of its own. Needs root.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.growth import ROOT

BASE = "docker.io/library/python:3.11-slim-bookworm"
_DEBIAN, _MIRROR = "bookworm", "http://deb.debian.org/debian"
_PACKAGES = "ca-certificates,python3,python3-dev,python3-venv"
_STAND_INS = Path(__file__).parent / "stand_ins"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass
class Images:
    """Images in a storage of their own.

    Attributes:
        folder: holds the storage.
        figures: seconds of the build and size of each image, its base included.
    """

    folder: Path
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        """A command of buildah."""
        return ["buildah", "--root", str(self.folder / "root"), "--runroot", str(self.folder / "run"), *words]

    def call(self, *words: str) -> str:
        """Run a command of buildah; what it prints."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # buildah keeps the caches of RUN --mount in TMPDIR.
        environment = {**os.environ, "TMPDIR": str(self.folder)}
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, check=False, cwd=ROOT, env=environment
        )
        if done.returncode:
            raise SystemExit(f"buildah {' '.join(words)} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        return done.stdout.strip()

    def make_base(self) -> None:
        """Debian with Python, and what this machine's pip is configured to ask."""
        began = time.monotonic()
        container = self.call("from", "scratch")
        root = self.call("mount", container)
        debootstrap = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _DEBIAN, root, _MIRROR]
        for command in (debootstrap, ["chroot", root, "python3", "-m", "venv", "/usr/local"]):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        lines = [f"{name} = {value}" for name, value in _pip_settings().items()]
        (Path(root) / "etc" / "pip.conf").write_text("\n".join(["[global]", *lines, ""]))
        self.call("umount", container)
        path = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
        self.call("config", "--env", f"PATH={path}", "--env", f"SSL_CERT_FILE={_CERTIFICATES}", container)
        self.call("config", "--cmd", '["python3"]', container)
        self.call("commit", "--quiet", "--rm", container, BASE)
        self._measure(BASE, began)

    def build(self, image: str, container_file: Path, context: Path) -> None:
        """Build an image from a container file, and measure it."""
        began = time.monotonic()
        given = {_CERTIFICATES, *_local_folders(_pip_settings())}
        volumes = [f"--volume={path}:{path}:ro" for path in sorted(given) if Path(path).exists()]
        words = [
            "--isolation=chroot",
            "--pull-never",
            *volumes,
            "--file",
            str(container_file),
            "--tag",
            image,
        ]
        self.call("bud", *words, str(context))
        self._measure(image, began)

    def stand_in(self, service: str, image: str) -> None:
        """Build what replaces an image that others publish, under its name."""
        context = self.folder / "context"
        context.mkdir(exist_ok=True)
        for file in _STAND_INS.iterdir():
            shutil.copy(file, context)
        self.build(image, context / f"{service}.Containerfile", context)

    def configuration(self, image: str) -> dict[str, Any]:
        """What an image says of itself: ``Entrypoint``, ``Cmd``, ``Env``, ``User``, ``WorkingDir``."""
        return dict(json.loads(self.call("inspect", "--type=image", image))["OCIv1"]["config"])

    def remove(self) -> None:
        """Remove the containers, the images and their mounts."""
        self.call("rm", "--all")
        self.call("rmi", "--all", "--force")

    def _measure(self, image: str, began: float) -> None:
        listed = json.loads(self.call("images", "--json", image))
        self.figures[image] = {"seconds": round(time.monotonic() - began), "size": listed[0]["size"]}
        print(f"{image}: built in {self.figures[image]['seconds']} s, {listed[0]['size']}", flush=True)


def _pip_settings() -> dict[str, str]:
    """The settings of this machine's pip, from its files and from the environment."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    settings = {}
    for line in done.stdout.splitlines():
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = " ".join(ast.literal_eval(value).split())
    return settings


def _local_folders(settings: dict[str, str]) -> set[str]:
    """The files and folders of this machine that pip looks into; of an index, the folder that it refers to, too."""
    words = {word for value in settings.values() for word in value.split()}
    indices = {str(Path(word.removeprefix("file://")).parent) for word in words if word.startswith("file://")}
    return indices | {word for word in words if Path(word).is_absolute()}

"""Services in running containers of buildah, wired as the compose file says, in one network namespace."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.compose_file import Service
from benchmarks.container_images import Images
from benchmarks.growth import ROOT
from benchmarks.host_namespaces import Host

_SLOWER = 6  # than the health checks of the compose file expect, where other jobs use the machine
_SETTLED_SECONDS = 10.0  # after which a service without a health check has to be running


@dataclass
class Team:
    """The services of a compose file, all on the loopback interface of ``host``.

    Attributes:
        images: where their images are.
        host: the network namespace.
        services: all of the compose file, by name.
        folder: holds the volumes and the logs.
        seconds: until each started service was ready.
    """

    images: Images
    host: Host
    services: dict[str, Service]
    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start a service, and wait until others may use it.

        Raises:
            SystemExit: if it ends, or does not get ready, with the logs.
        """
        service, began = self.services[name], time.monotonic()
        names = [f"--add-host={other}:127.0.0.1" for other in self.services]
        capabilities = [f"--cap-drop={each}" for each in service.says.get("cap_drop", [])]
        self.images.call("from", "--pull-never", f"--name={name}", *names, *capabilities, service.image)
        image = self.images.configuration(service.image)
        words = [
            *(service.words("entrypoint") or image.get("Entrypoint", [])),
            *(service.words("command") or image.get("Cmd", [])),
        ]
        with (self.folder / f"{name}.log").open("wb") as log:
            command = self._command(name, *words)
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
        self._wait(service, process)
        self.seconds[name] = round(time.monotonic() - began, 1)
        print(f"{name}: ready after {self.seconds[name]} s", flush=True)

    def run(self, name: str, *words: str) -> str:
        """Run a command in the container of a started service, as ``docker compose exec``; what it prints.

        Raises:
            SystemExit: if it fails, with the logs.
        """
        done = subprocess.run(
            self._command(name, *words), capture_output=True, text=True, check=False, cwd=ROOT
        )
        if done.returncode:
            raise SystemExit(
                f"{name}: {' '.join(words)} failed:\n{(done.stdout + done.stderr)[-3000:]}{self._logs()}"
            )
        return done.stdout

    def _command(self, name: str, *words: str) -> list[str]:
        says = self.services[name].says
        options = [f"--env={key}={value}" for key, value in self.services[name].environment.items()]
        for volume in says.get("volumes", []):
            source, target = volume.rsplit(":", 1)
            path = self.folder / "volumes" / source  # an absolute source stands for itself
            path.mkdir(parents=True, exist_ok=True)
            options.append(f"--volume={path}:{target}")
        for key, option in (("user", "--user"), ("working_dir", "--workingdir")):
            options += [f"{option}={says[key]}"] if key in says else []
        # buildah has no option for it.
        is_limited = "no-new-privileges:true" in says.get("security_opt", [])
        inside = ["setpriv", "--no-new-privs", *words] if is_limited else list(words)
        return self.host.command(
            *self.images.command("run", "--isolation=chroot", *options, name, "--", *inside)
        )

    def _wait(self, service: Service, process: subprocess.Popen[bytes]) -> None:
        if "healthcheck" in service.says:
            end = time.monotonic() + _SLOWER * service.health_seconds
            check = self._command(service.name, *service.health_command)
            while subprocess.run(check, capture_output=True, check=False, cwd=ROOT).returncode:
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{service.name} does not get ready:{self._logs()}")
                time.sleep(1)
            return
        conditions = {other.needs.get(service.name) for other in self.services.values()}
        has_to_end = "service_completed_successfully" in conditions
        try:
            code = process.wait(None if has_to_end else _SETTLED_SECONDS)
        except subprocess.TimeoutExpired:
            return
        if code or not has_to_end:
            raise SystemExit(f"{service.name} ended with exit code {code}:{self._logs()}")

    def _logs(self) -> str:
        return "".join(f"\n{log.name}:\n{log.read_text()[-1500:]}" for log in self.folder.glob("*.log"))

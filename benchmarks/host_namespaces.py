"""Two hosts on one machine: network namespaces with an own /tmp and /dev/shm, a virtual cable, and Ray on both.

Needs root.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks.growth import ROOT

HEAD, WORKER = "10.77.0.1", "10.77.0.2"
RAY_PORT = 6379
_OWN_FOLDERS = ("/tmp", "/dev/shm")  # noqa: S108  (each host has its own)


@dataclass
class Host:
    """A network namespace with an own /tmp and /dev/shm, held by a process that sleeps."""

    name: str
    address: str
    holder: subprocess.Popen[bytes]

    @classmethod
    def start(cls, name: str, address: str) -> Host:
        """Create the namespace; the cable comes later.

        Raises:
            SystemExit: if this project lies where a host has a folder of its own, or a command fails.
        """
        for folder in _OWN_FOLDERS:
            if ROOT.is_relative_to(folder):
                raise SystemExit(
                    f"the project lies under {folder}, of which each host has its own: run it from a clone elsewhere"
                )
        subprocess.run(["ip", "netns", "add", name], check=True)
        holder = subprocess.Popen(["ip", "netns", "exec", name, "sleep", "infinity"])
        host = cls(name, address, holder)
        time.sleep(0.5)  # until it is in the namespace
        try:
            for folder in _OWN_FOLDERS:
                host.call("mount", "-t", "tmpfs", "-o", "size=2g", "tmpfs", folder)
            host.call("ip", "link", "set", "lo", "up")
        except BaseException:
            host.remove()
            raise
        return host

    def command(self, *command: str) -> list[str]:
        """A command of this machine as one of this host."""
        return ["nsenter", f"--target={self.holder.pid}", "--net", "--mount", f"--wdns={ROOT}", *command]

    def call(self, *command: str) -> str:
        """Run a command on this host; what it prints."""
        done = subprocess.run(self.command(*command), capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode:
            raise SystemExit(f"{self.name}: {' '.join(command)} failed:\n{done.stderr[-2000:]}")
        return done.stdout

    def processes(self) -> list[int]:
        """The processes of this host, but for the one that holds it."""
        listed = subprocess.run(
            ["ip", "netns", "pids", self.name], capture_output=True, text=True, check=True
        )
        return [int(number) for number in listed.stdout.split() if int(number) != self.holder.pid]

    def kill(self) -> None:
        """Kill all processes, as a machine that loses its power."""
        while processes := self.processes():
            for process in processes:
                try:
                    os.kill(process, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            time.sleep(0.2)

    def start_ray(self, *options: str) -> None:
        """Start Ray's processes of this host."""
        ray = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            *options,
            f"--node-ip-address={self.address}",
        ]
        self.call(*ray, "--object-store-memory=100000000", "--disable-usage-stats")

    def remove(self) -> None:
        """End its processes, and remove the namespace."""
        self.kill()
        self.holder.kill()
        self.holder.wait()
        subprocess.run(["ip", "netns", "delete", self.name], check=True)


class Cluster:
    """The two hosts, joined, with Ray's head on one and its worker on the other."""

    def __init__(self) -> None:
        """Create the hosts."""
        self.head, self.worker = Host.start("ambivox-head", HEAD), Host.start("ambivox-worker", WORKER)

    def start(self) -> None:
        """Join the hosts, and start Ray on both."""
        joined = (
            f"ip link add cable0 netns {self.head.name} type veth peer name cable0 netns {self.worker.name}"
        )
        subprocess.run(joined.split(), check=True)
        for host in (self.head, self.worker):
            host.call("ip", "address", "add", f"{host.address}/24", "dev", "cable0")
            host.call("ip", "link", "set", "cable0", "up")
        self.head.start_ray("--head", f"--port={RAY_PORT}", "--num-cpus=0", "--include-dashboard=false")
        self.start_worker()

    def start_worker(self) -> None:
        """Start Ray on the worker's host."""
        self.worker.start_ray(f"--address={HEAD}:{RAY_PORT}", "--num-cpus=1")

    def nodes(self) -> int:
        """How many nodes Ray's head holds for alive."""
        code = f"import ray; ray.init('{HEAD}:{RAY_PORT}', log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()))"
        return int(self.head.call(sys.executable, "-c", code).split()[-1])

    def cut(self, *, is_cut: bool) -> None:
        """Pull the cable out, or put it in again."""
        self.head.call("ip", "link", "set", "cable0", "down" if is_cut else "up")

    def remove(self) -> None:
        """End everything."""
        self.worker.remove()
        self.head.remove()

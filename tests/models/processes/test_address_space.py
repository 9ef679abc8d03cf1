"""``ulimit -v`` below what libraries reserve: every command is one line with the exit code of full memory, and none hangs."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ambivox.models.errors import AddressSpaceError
from ambivox.models.processes.address_space import check_address_space
from tests.support.scratch_project import COMMAND, environment

MIB = 2**20


def limited(words: list[str], mebibytes: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in an address space of that size."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (mebibytes * MIB, mebibytes * MIB))

    command = [str(COMMAND), *words]
    return subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, preexec_fn=limit, timeout=60
    )  # fmt: skip


@pytest.mark.parametrize(
    "words",
    [
        [
            "pool",
            "--utterances",
            "u.parquet",
            "--votes",
            "v.parquet",
            "--annotations",
            "a.parquet",
            "--out",
            "out",
        ],
        ["run"],
    ],
)
def test_a_command_without_room_for_its_libraries_is_one_line(words: list[str], tmp_path: Path) -> None:
    # With 700,000 KiB, OpenBLAS asked for a buffer without end.
    finished = limited(words, 683, tmp_path)
    assert finished.returncode == 71, finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert "683 MiB (ulimit -v)" in finished.stderr
    assert not list(tmp_path.iterdir())


def test_help_needs_none(tmp_path: Path) -> None:
    assert limited(["pool", "--help"], 683, tmp_path).returncode == 0


def test_what_the_line_asks_for_is_enough() -> None:
    code = (
        "import resource; from ambivox.models.processes.address_space import check_address_space as check\n"
        "resource.setrlimit(resource.RLIMIT_AS, (int({}) << 10,) * 2); check()\n"
    )
    # A process of its own, as a limit cannot be raised again.
    too_little = subprocess.run(
        [sys.executable, "-c", code.format(700_000)], capture_output=True, text=True, check=False
    )
    needed = too_little.stderr.strip().rpartition(" ")[2]
    assert subprocess.run([sys.executable, "-c", code.format(needed)], check=False).returncode == 0


def test_without_a_limit_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (resource.RLIM_INFINITY,) * 2)
    check_address_space()
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (MIB, MIB))
    with pytest.raises(AddressSpaceError, match="ulimit -v"):
        check_address_space()

"""Known vulnerabilities of the packages in requirements.lock: ``python -m tests.support.audit``.

pip-audit, of the Python Packaging Authority, asks PyPI's database of advisories, or one with the API of OSV.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ambivox.models.counted import counted

LOCK = Path(__file__).parents[2] / "requirements.lock"
_SHOWN = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Print one line per known vulnerability, and how many packages were looked up.

    Returns:
        0 where none is known, 1 where some are, 2 where no package could be looked up.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.support.audit", description=__doc__)
    parser.add_argument("--lock", type=Path, default=LOCK, help="the packages, with their versions")
    parser.add_argument("--osv-url", help="a database of advisories with the API of OSV, in place of PyPI's")
    options = parser.parse_args(arguments)
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--requirement",
        str(options.lock),
        "--no-deps",
        "--disable-pip",
    ]
    command += ["--format", "json", "--progress-spinner", "off"]
    command += ["--vulnerability-service", "osv", "--osv-url", options.osv_url] if options.osv_url else []
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(process.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        last = next(filter(None, reversed(process.stderr.splitlines())), "it says nothing")
        print(f"the database of advisories cannot be asked: {last}; nothing was audited")
        return 2
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):
        print(f"the database of advisories knows none of {len(packages)} packages; nothing was audited")
        return 2
    found = [
        f"{package['name']} {package['version']}: {vulnerability['id']}, mended in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version yet'}"
        for package in packages
        for vulnerability in package.get("vulns", [])
    ]
    print(*found, sep="\n", end="\n" if found else "")
    unknown = (
        f" (not known there: {', '.join(skipped[:_SHOWN])}{', ...' if len(skipped) > _SHOWN else ''})"
        if skipped
        else ""
    )
    print(
        f"{len(packages) - len(skipped)} of {len(packages)} packages audited{unknown}, {counted(len(found), 'known vulnerability', 'known vulnerabilities')}"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

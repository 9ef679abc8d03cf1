"""The licence of every package of requirements.lock that is installed: ``python -m tests.support.licences`` lists them."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements.lock"
# Packages whose metadata name no licence, and where it is stated.
STATED_ELSEWHERE = {"mlcroissant": "Apache-2.0 (its repository)"}
_LONGEST = 60


def locked_packages() -> list[str]:
    """The names in the lock, once each."""
    names = re.findall(r"^([A-Za-z0-9._-]+)(?:\[.*\])?==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    return sorted(set(names))


def licence(package: str) -> str | None:
    """A package's licence in a few words; "" where it names none, None where it is not installed."""
    try:
        metadata = importlib.metadata.metadata(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    classifiers = [
        value.rpartition("::")[2].strip()
        for value in metadata.get_all("Classifier") or []
        if value.startswith("License ::") and value.count("::") > 1
    ]
    text = (metadata.get("License") or "").strip().splitlines()
    named = metadata.get("License-Expression") or ", ".join(classifiers) or (text[0] if text else "")
    return (named or _of_licence_file(package) or STATED_ELSEWHERE.get(package, ""))[:_LONGEST]


def _of_licence_file(package: str) -> str:
    """The first line of the licence's text that is one."""
    for file in importlib.metadata.files(package) or []:
        if re.match(r"(?i)licen[cs]e|copying", file.name):
            try:
                lines = Path(str(file.locate())).read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:
                continue
            return next((line.strip() for line in lines if line.strip()), "")
    return ""


def main() -> None:
    """Print one line per package."""
    for package in locked_packages():
        named = licence(package)
        print(f"{package}: {'not installed here' if named is None else named or 'UNKNOWN'}")


if __name__ == "__main__":
    main()

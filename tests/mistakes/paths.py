"""Wrong paths for every option that is a path."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

from cyclopts import App

from tests.mistakes.command_lines import WrongLine, base_type, commands, options, without
from tests.mistakes.right_words import OUTPUTS, PATH_TEXTS, RIGHT

# Kind of mistake, and the path. The current folder is the project; ``make_wrong`` makes what they name.
READ: dict[str, str] = {
    "missing file": "../wrong/none.parquet",
    "missing folder": "../wrong/none/",
    "in a missing folder": "../wrong/none/none/none.json",
    "empty text": "",
    "blank": " ",
    "current folder": ".",
    "root": "/",
    "home": "~",
    "home of nobody": "~no-such-person/x.parquet",
    "variable": "$HOME/x.parquet",
    "empty folder": "../wrong/empty",
    "folder of others": "../wrong/others",
    "folder named like a file": "../wrong/folder.parquet",
    "link to nothing": "../wrong/broken.parquet",
    "links in a circle": "../wrong/circle.parquet",
    "pipe": "../wrong/pipe",
    "socket": "../wrong/socket",
    "no device": "/dev/null",
    "endless device": "/dev/zero",
    "terminal": "/dev/tty",
    "standard input": "-",
    "standard input by name": "/dev/stdin",
    "system file": "/proc/self/mem",
    "through a file": "../wrong/text.txt/x.parquet",
    "long name": "x" * 300,
    "long path": "a/" * 3000,
    "line end": "../wrong/a\nb.parquet",
    "terminal code": "../wrong/\x1b[2J\x1b[31mred.parquet",
    "not UTF-8": "../wrong/\udcff\udcfe.parquet",
    "pattern": "../wrong/*.parquet",
    "two paths": "../wrong/text.txt:../wrong/others",
    "with quotes": "'../wrong/text.txt'",
    "file URL": "file:///tmp/none.parquet",
    "web address": "https://localhost:9/none.parquet",
    "bucket without a name": "s3://",
    "bucket of another kind": "gs://bucket/none",
    "Windows path": "C:\\Users\\me\\none.parquet",
    "leading dash": "-none.parquet",
    "number": "0",
    "plain text": "../wrong/text.txt",
}
WRITTEN: dict[str, str] = {
    "empty text": "",
    "blank": " ",
    "current folder": ".",
    "folder above": "..",
    "root": "/",
    "home": "~",
    "home of nobody": "~no-such-person/x",
    "folder of others": "../wrong/others",
    "existing file": "../wrong/text.txt",
    "input": "data/demo/ingest",
    "folder of all data": "data",
    "code": "models",
    "link to a folder": "../wrong/link",
    "link to nothing": "../wrong/broken",
    "links in a circle": "../wrong/circle",
    "in links in a circle": "../wrong/circle/new",
    "pipe": "../wrong/pipe",
    "no device": "/dev/null",
    "below a device": "/dev/null/x",
    "system folder": "/proc/x",
    "system folder, deeper": "/proc/self/x/y",
    "through a file": "../wrong/text.txt/x",
    "long name": "x" * 300,
    "long path": "a/" * 3000,
    "line end": "a\nb",
    "terminal code": "\x1b[2Jred",
    "not UTF-8": "\udcff\udcfe",
    "file URL": "file:///tmp/none",
    "web address": "https://localhost:9/none",
    "bucket without a name": "s3://",
    "bucket of another kind": "gs://bucket/none",
    "leading dash": "-none",
}


def wrong_paths(application: App) -> Iterator[WrongLine]:
    """A line per path option and kind of wrong path."""
    for command in commands(application):
        right = (command, *RIGHT[command])
        for option in options(application, command):
            name = option.names[0]
            if base_type(option.hint) is not Path and (command, name) not in PATH_TEXTS:
                continue
            kinds = WRITTEN if name in OUTPUTS else READ
            for kind, path in kinds.items():
                use = "written" if name in OUTPUTS else "read"
                yield WrongLine((*without(right, name), f"{name}={path}"), f"{use}: {kind}", name)


def make_wrong(folder: Path) -> None:
    """Make what wrong paths name."""
    folder.mkdir(parents=True)
    (folder / "empty").mkdir()
    for name in ("others", "folder.parquet"):
        (folder / name).mkdir()
        (folder / name / "thesis.txt").write_text("My only copy.\n")
    (folder / "text.txt").write_text("Dear Ann,\nhow are you?\n")
    (folder / "link").symlink_to("others")
    for name in ("broken", "broken.parquet"):
        (folder / name).symlink_to("nothing")
    for name in ("circle", "circle.parquet"):
        (folder / name).symlink_to(name)
    os.mkfifo(folder / "pipe")
    before = Path.cwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind("socket")
    finally:
        os.chdir(before)

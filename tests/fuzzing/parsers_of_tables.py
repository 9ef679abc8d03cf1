"""The parsers of tables of votes: users' own, in text, JSON, Parquet and workbooks, and those of corpora and Potato."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import xlsxwriter

from ambivox.models.errors import UserError
from tests.fuzzing import seeds, seeds_of_tables
from tests.fuzzing.campaign import Parser
from tests.fuzzing.seeds_of_audio import audio

_RECORDINGS = ("a.wav", "b.wav")
_NOT_IN_A_NAME = re.compile(r"[^ -~]|[\[\]:*?/\\]")
_FAR_CELL = re.compile(rb"\"[A-Za-z$]{3,}\d+|\d{5,}")


@cache
def _recording() -> bytes:
    return audio("WAV")


def _place(content: bytes, folder: Path, name: str) -> Path:
    """Write a table beside the recordings that the seeds name."""
    folder.mkdir(parents=True, exist_ok=True)
    for recording in _RECORDINGS:
        if not (folder / recording).exists():
            (folder / recording).write_bytes(_recording())
    path = folder / name
    path.write_bytes(content)
    return path


def _table(suffix: str, *contents: bytes, **options: str) -> Parser:
    from ambivox.models.ingestion.user_table import read_user_table

    return Parser(
        lambda content, folder: read_user_table(_place(content, folder, f"utterances{suffix}"), options),
        contents,
    )


def _preview(content: bytes, folder: Path) -> None:
    from ambivox.models.ingestion.table_preview import preview

    preview(_place(content, folder, "utterances.csv"), {})


def _beside(name: str, *others: tuple[str, bytes]) -> Callable[[bytes, Path], object]:
    """A folder of tables, of which one holds the content."""

    def read(content: bytes, folder: Path) -> object:
        from ambivox.models.ingestion.user_table import read_user_table

        for other, text in others:
            _place(text, folder, other)
        _place(content, folder, name)
        return read_user_table(folder, {})

    return read


def _workbook(content: bytes, folder: Path) -> None:
    """What runs in a process of its own, where a crash is one line: here in this one."""
    (folder / "a.xlsx").write_bytes(content)
    _read_workbook(["", "", str(folder / "a.xlsx"), str(folder)])


def _read_workbook(command: list[str], **_options: object) -> subprocess.CompletedProcess[str]:
    """In the place of subprocess.run: a process for each case would take half a second."""
    from ambivox.models.ingestion.workbook_process import main

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        code = main(*command[2:])
    return subprocess.CompletedProcess(command, code, printed.getvalue(), "")


def _in_a_workbook(made: Callable[[bytes], bytes], *contents: bytes) -> Parser:
    """A table in a workbook that is made from the content."""
    from ambivox.models.ingestion import workbooks
    from ambivox.models.ingestion.user_table import read_user_table

    def read(content: bytes, folder: Path) -> object:
        path = _place(made(content), folder, "utterances.xlsx")
        workbooks._read_once.cache_clear()  # files of one size may be written in one tick of the clock
        with mock.patch.object(workbooks.subprocess, "run", _read_workbook):
            return read_user_table(path, {})

    return Parser(read, contents)


def _of_sheets(content: bytes) -> bytes:
    """A workbook of the sheets that a text describes: merged cells, hidden sheets, rows and columns."""
    stream = io.BytesIO()
    sheets = re.split(r"(?m)^#", content.decode("utf-8", "replace"))[1:9] or [""]
    with xlsxwriter.Workbook(stream, {"in_memory": True, "strings_to_numbers": True}) as book:
        for number, text in enumerate(sheets):
            name, _, cells = text.partition("\n")
            sheet = book.add_worksheet(f"{number}{_NOT_IN_A_NAME.sub('', name.lstrip('.'))[:20]}_")
            if name.startswith(".") and number:
                (sheet.very_hidden if name.startswith("..") else sheet.hide)()
            try:
                rows = list(csv.reader(io.StringIO(cells)))
            except csv.Error:
                rows = [[cells]]
            for line, row in enumerate(rows):
                for column, cell in enumerate(row):
                    sheet.write(line, column, cell[:30_000])
                if not any(row):
                    sheet.set_row(line, None, None, {"hidden": True})
            _merge(sheet, rows[0] if rows else [])
    return stream.getvalue()


def _merge(sheet: Any, header: list[str]) -> None:
    """Merge each cell of the first row with the empty ones after it, but the last."""
    named = [column for column, cell in enumerate(header) if cell]
    for first, following in pairwise(named):
        if following - first > 1:
            sheet.merge_range(0, first, 0, following - 1, header[first])


@cache
def _members(workbook: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(workbook)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _with_part(content: bytes) -> bytes:
    """A workbook in which the content stands for the part that it is most like: damaged archives are rarely read so far."""
    members = _members(_hidden_parts())
    name = "xl/workbook.xml" if b"<workbook" in content[:300] else "xl/worksheets/sheet1.xml"
    if name.endswith("sheet1.xml") and _FAR_CELL.search(content):
        # The library would take the memory of a million rows; the process of its own has a limit, this one has none.
        raise UserError("a cell far away")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for member, part in members.items():
            archive.writestr(member, content if member == name else part)
    return stream.getvalue()


@cache
def _hidden_parts() -> bytes:
    """A workbook with a hidden sheet, and hidden rows and columns."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        sheet = book.add_worksheet("votes")
        for number, row in enumerate((*seeds.WORKBOOK_ROWS, ("u1", "a.wav", "r2", 1.5))):
            sheet.write_row(number, 0, row)
        sheet.set_row(2, None, None, {"hidden": True})
        sheet.set_column(1, 2, None, None, {"hidden": True})
        book.add_worksheet("old").hide()
    return stream.getvalue()


def _parts() -> tuple[bytes, ...]:
    members = _members(_hidden_parts())
    return members["xl/worksheets/sheet1.xml"], members["xl/workbook.xml"]


def _crema_d(content: bytes, folder: Path) -> None:
    from ambivox.models.corpora.crema_d import load

    for name in ("processedResults", "AudioWAV"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "AudioWAV/1001_IEO_NEU_XX.wav").write_bytes(_recording())
    (folder / "processedResults/tabulatedVotes.csv").write_bytes(content)
    load(folder)


def _msp_podcast(name: str) -> Callable[[bytes, Path], object]:
    def read(content: bytes, folder: Path) -> object:
        from ambivox.models.corpora.msp_podcast import load

        labels = folder / "Labels"
        labels.mkdir(exist_ok=True)
        (labels / "labels_consensus.csv").write_bytes(seeds_of_tables.MSP_CONSENSUS)
        (labels / "labels_detailed.csv").write_bytes(seeds_of_tables.MSP_ANSWERS[0])
        (labels / name).write_bytes(content)
        return load(folder)

    return read


def _potato(content: bytes, folder: Path) -> None:
    from ambivox.models.exchange.potato import read_votes

    name = "annotations.tsv" if content.count(b"\t") > content.count(b",") else "annotations.csv"
    (folder / name).write_bytes(content)
    read_votes(folder / name, seeds.utterances())


def parsers() -> Iterator[tuple[str, Parser]]:
    """Names and parsers."""
    utf_16 = b"\xff\xfe" + seeds.CSV.decode().encode("utf-16-le")
    described = {
        "utterance_id": "u1",
        "audio": "a.wav",
        "annotator_id": "r1",
        "label": "joy",
        "extra": {"a": [1]},
    }
    rows = [
        {**described, "utterance_id": u, "annotator_id": r, "label": label} for u, r, label, _ in seeds.ROWS
    ]
    plain = [{name: value for name, value in row.items() if name != "extra"} for row in rows]
    tables, found = seeds_of_tables, seeds_of_tables.FOUND
    yield "workbook", Parser(_workbook, (seeds.workbook(),))
    yield "table-csv", _table(".csv", seeds.CSV, utf_16, seeds.CSV.replace(b",", b";"), *found)
    yield "table-jsonl", _table(".jsonl", b"\n".join(json.dumps(row).encode() for row in rows))
    yield "table-json", _table(".json", json.dumps(plain).encode())
    yield "table-parquet", _table(".parquet", seeds.parquet("nested"))
    yield "table-workbook", _in_a_workbook(bytes, seeds.workbook())
    yield "table-sheets", _in_a_workbook(_of_sheets, *tables.SHEETS)
    yield "table-workbook-xml", _in_a_workbook(_with_part, *_parts())
    yield "table-list", _table(".csv", *seeds.EMBEDDED_VOTES, shape="list", label="votes")
    yield "table-preview", Parser(_preview, (seeds.CSV, *seeds.EMBEDDED_VOTES, *found))
    yield "table-votes", Parser(_beside("votes.csv", ("utterances.csv", tables.UTTERANCES)), tables.VOTES)
    beside = (("utterances.csv", tables.UTTERANCES), ("votes.csv", tables.VOTES[0]))
    yield "table-speakers", Parser(_beside("speakers.csv", *beside), tables.SPEAKERS)
    yield "potato-table", Parser(_potato, tables.POTATO)
    yield "crema-d", Parser(_crema_d, tables.CREMA_D)
    yield "msp-podcast-answers", Parser(_msp_podcast("labels_detailed.csv"), tables.MSP_ANSWERS)
    yield "msp-podcast-consensus", Parser(_msp_podcast("labels_consensus.csv"), (tables.MSP_CONSENSUS,))

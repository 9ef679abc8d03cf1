"""Reading a workbook in a process of its own, as a program: ``python workbook_process.py WORKBOOK FOLDER``.

A workbook of a few kilobytes may name a cell in the last row and column of a sheet, or hold gigabytes of zeros: the
library then takes hundreds of gigabytes, or aborts the process. Here that ends this process only. It writes each sheet to
FOLDER/NUMBER.parquet, all cells as text, and to FOLDER/sheets.json an object per sheet: its name, and whether it, and how
many of its rows and which of its columns, are hidden. Where it cannot, it prints one line and ends with 1.
"""

from __future__ import annotations

import html
import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

LARGEST_BYTES = 6 << 30  # of address space: Python and the library take one of them
MOST_CELLS = 50_000_000  # of all sheets together
_CHUNK = 1 << 20
_SHEET = re.compile(rb"<(?:\w+:)?sheet\s[^<>]*>")
_RELATION = re.compile(rb"<Relationship\s[^<>]*>")
# What was passed is not tried again: a tag without an end would take hours. A row without cells closes itself and holds nothing.
_HIDDEN = rb"\s(?>[^<>]*?hidden=\"(?:1|true)\")[^<>]*+"
_HIDDEN_ROW = re.compile(rb"<(?:\w+:)?row" + _HIDDEN + rb"(?<!/)>")
_HIDDEN_COLUMNS = re.compile(rb"<(?:\w+:)?col" + _HIDDEN + rb">")
# In an .ods, a tag is of as many rows or columns as it says, also of all empty ones to the end of the sheet.
_ODS_MEMBER = "content.xml"
_ODS_TAG = re.compile(rb"<table:(table|table-row|table-column)(?=[\s/>])[^<>]*+>")
_ODS_HIDDEN = ("collapse", "filter")


def main(workbook: str, folder: str) -> int:
    """Read a workbook; returns the exit code."""
    import fastexcel
    import polars as pl

    try:
        reader = fastexcel.read_excel(workbook)
        files, ods = _files_of_sheets(workbook), _hidden_in_ods(workbook)
        cells, sheets = 0, []
        for number, name in enumerate(reader.sheet_names):
            sheet = reader.load_sheet(name, header_row=None, skip_rows=0, dtypes="string")
            frame = sheet.to_polars()
            cells += frame.height * frame.width
            if cells > MOST_CELLS:
                print(f"more than {MOST_CELLS:,} cells")
                return 1
            frame.write_parquet(Path(folder) / f"{number}.parquet", compression="lz4")
            rows, columns = _hidden(workbook, files.get(name), frame.width)
            if name in ods and frame.width:
                is_filled = frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
                rows = sum(int(is_filled[slice(*part.indices(frame.height))].sum()) for part in ods[name][0])
                columns = [
                    number + 1 for part in ods[name][1] for number in range(*part.indices(frame.width))
                ]
            is_hidden = sheet.visible != "visible"
            sheets.append({"name": name, "is_hidden": is_hidden, "rows": rows, "columns": columns})
    except Exception as error:  # noqa: BLE001 - the library raises errors of many types about damaged files
        print(str(error).splitlines()[0] if str(error) else type(error).__name__)
        return 1
    (Path(folder) / "sheets.json").write_text(json.dumps(sheets), encoding="utf-8")
    return 0


def _files_of_sheets(workbook: str) -> dict[str, str]:
    """The member of the archive that holds each sheet; none where the workbook is no .xlsx or .xlsm."""
    try:
        with zipfile.ZipFile(workbook) as archive:
            relations = {
                _attribute(tag, b"Id"): _attribute(tag, b"Target")
                for tag in _RELATION.findall(archive.read("xl/_rels/workbook.xml.rels"))
            }
            sheets = _SHEET.findall(archive.read("xl/workbook.xml"))
    except (zipfile.BadZipFile, KeyError, OSError):
        return {}
    targets = {_attribute(tag, b"name"): relations.get(_attribute(tag, rb"\w+:id"), "") for tag in sheets}
    return {
        name: target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        for name, target in targets.items()
    }


def _hidden(workbook: str, member: str | None, width: int) -> tuple[int, list[int]]:
    """How many rows of a sheet are hidden, and the numbers of its hidden columns, from 1; the library does not tell."""
    if member is None:
        return 0, []
    rows, columns = 0, set()
    try:
        for text in _chunks(workbook, member):
            rows += sum(1 for _ in _HIDDEN_ROW.finditer(text))
            for tag in _HIDDEN_COLUMNS.findall(text):
                first, last = int(_attribute(tag, b"min")), int(_attribute(tag, b"max"))
                columns |= set(range(first, min(last, width) + 1))
    except (zipfile.BadZipFile, KeyError, OSError, ValueError):
        return 0, []
    return rows, sorted(columns)


def _hidden_in_ods(workbook: str) -> dict[str, tuple[list[slice], list[slice]]]:
    """The hidden rows and columns of each sheet, from 0; none where the workbook is no .ods."""
    hidden: dict[str, tuple[list[slice], list[slice]]] = {}
    rows: list[slice] = []
    columns: list[slice] = []
    row = column = 0
    try:
        for text in _chunks(workbook, _ODS_MEMBER):
            for tag in _ODS_TAG.finditer(text):
                is_hidden = _attribute(tag[0], b"table:visibility") in _ODS_HIDDEN
                if tag[1] == b"table":
                    rows, columns, row, column = [], [], 0, 0
                    hidden[_attribute(tag[0], b"table:name")] = (rows, columns)
                elif tag[1] == b"table-row":
                    end = row + int(_attribute(tag[0], b"table:number-rows-repeated") or 1)
                    rows += [slice(row, end)] if is_hidden else []
                    row = end
                else:
                    end = column + int(_attribute(tag[0], b"table:number-columns-repeated") or 1)
                    columns += [slice(column, end)] if is_hidden else []
                    column = end
    except (zipfile.BadZipFile, KeyError, OSError, ValueError):
        return {}
    return hidden


def _chunks(workbook: str, member: str) -> Iterator[bytes]:
    """The text of a member in parts that end before a tag."""
    with zipfile.ZipFile(workbook) as archive, archive.open(member) as file:
        rest = b""
        while part := file.read(_CHUNK):
            text = rest + part
            end = max(text.rfind(b"<"), 0)
            yield text[:end]
            rest = text[end:]
        yield rest


def _attribute(tag: bytes, name: bytes) -> str:
    match = re.search(rb"\s" + name + rb"\s*=\s*\"([^\"]*)\"", tag)
    return html.unescape(match[1].decode("utf-8", "replace")) if match else ""


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > LARGEST_BYTES:
        resource.setrlimit(resource.RLIMIT_AS, (LARGEST_BYTES, hard))
    sys.exit(main(*sys.argv[1:]))

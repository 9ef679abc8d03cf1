"""Tables made from valid ones: cells, columns and rows are replaced, moved, repeated and emptied.

A byte that is changed mostly damages a word. What a reader of tables decides from names and content needs whole words.
"""

from __future__ import annotations

import codecs
import csv
import io
import random

_NAMES = (
    "utterance_id", "audio", "file", "annotator_id", "rater", "label", "emotion", "Emotion", "speaker", "transcript", "Utterance",
    "start", "end", "duration", "start_frame", "end_frame", "fps", "frame_rate", "start_sample", "num_samples", "sampling rate (kHz)",
    "channel", "weight", "age", "split", "status", "confidence", "votes", "anger", "joy", "Kim", "Participant Private ID", "Response",
    "Answer.emotion", "WorkerId", "valence", "sex", "language", "date", "ambivox:line", "ambivox:rows", "line", "number", "file", "1", "_", "problem", "", "x_duplicated_0", "notes", "label_1", "*", "^.*$", "^a",
)  # fmt: skip
_CELLS = (
    "", " ", "-", "NA", "nan", "inf", "-inf", "1e308", "9" * 400, "-1", "0", "0.0", "1", "2", "101.0", "1,5", "1.000,5", "75%", "101%", "1/0",
    "a.wav", "b.wav", "A.WAV", "./a.wav", "..\\a.wav", "C:\\x\\a.wav", "s3://x/a.wav", "https://x/a.wav", "x" * 300 + ".wav", "a\0.wav",
    "joy", "Joy ", "joy; fear", "joy/fear", "fear and joy", "joy (3)", "1 - Happy", "other: bored", "Other (please specify)", "joy\nfear",
    "['joy', 'fear']", '{"joy": 2}', '[{"label": "joy", "annotator": "r1"}]', "[" * 200, "kim", "r1", "Really?", "I do not know that.",
    "0:01.5", "1:02:03", "99:99:99", "50 fps", "8 kHz", "left", "train", "test", "female", "Total", "END OF FILE", "true", "x", "٣", "½", "*", "^joy$",
    "other" + " " * 5000 + "x", "joy" + " " * 5000 + "x", "joy" + "-" * 5000 + "x", "joy," * 2000, "\ud800", "\u202e", "\U0001f600",
)  # fmt: skip
_SEPARATORS = (",", ";", "\t", "|")
_MOST_CELLS = 50_000  # more than an input has bytes


def changed_table(content: bytes, rng: random.Random) -> bytes | None:
    """A table with one to six changes, perhaps with another separator or encoding; None where the content is no table."""
    table = _rows(content)
    if table is None:
        return None
    rows, separator = table
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        _change(rows, rng)
    text = io.StringIO()
    by = rng.choice(_SEPARATORS) if rng.random() < 0.1 else separator
    csv.writer(text, delimiter=by, lineterminator="\n").writerows(rows)
    if rng.random() < 0.05:
        return codecs.BOM_UTF16_LE + text.getvalue().encode("utf-16-le", "surrogatepass")
    return text.getvalue().encode("utf-8", "surrogatepass")


def _rows(content: bytes) -> tuple[list[list[str]], str] | None:
    try:
        is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if is_utf_16 else "utf-8-sig")
        separator = max(_SEPARATORS, key=text.count)
        rows = list(csv.reader(io.StringIO(text), delimiter=separator))
    except (UnicodeDecodeError, csv.Error):
        return None
    return (rows, separator) if len(rows) > 1 and max(map(len, rows)) > 1 else None


def _change(rows: list[list[str]], rng: random.Random) -> None:
    number = rng.randrange(len(rows))
    width = max(map(len, rows)) or 1
    column = rng.randrange(width)
    chance = rng.random()
    if chance < 0.35:
        _put(rows[number], column, rng.choice(_CELLS))
    elif chance < 0.5:
        _put(rows[0 if rng.random() < 0.8 else number], column, rng.choice(_NAMES))
    elif chance < 0.6:
        other = rng.choice(rows)
        _put(rows[number], column, rng.choice(other) if other else "")
    elif chance < 0.68:
        cell = rng.choice(_CELLS)
        for row in rows[rng.randrange(2) :]:
            _put(row, column, cell)
    elif chance < 0.74:
        for row in rows:
            del row[column : column + 1]
    elif chance < 0.8:
        place = rng.randrange(width + 1)
        for row in rows:
            row.insert(place, row[column] if column < len(row) else "")
    elif chance < 0.85:
        other_column = rng.randrange(width)
        for row in rows:
            if max(column, other_column) < len(row):
                row[column], row[other_column] = row[other_column], row[column]
    elif chance < 0.9 and len(rows) > 1:
        del rows[number]
    elif chance < 0.97:
        repeated = min(rng.choice((1, 1, 3, 30)), _MOST_CELLS // (width * len(rows)) + 1)
        rows[number:number] = [list(rows[number]) for _ in range(repeated)]
    else:
        rng.shuffle(rows)


def _put(row: list[str], column: int, cell: str) -> None:
    row += [""] * (column + 1 - len(row))
    row[column] = cell

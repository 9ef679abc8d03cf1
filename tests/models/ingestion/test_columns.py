"""Missing columns: all are named at once, with the columns that were probably meant."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.columns import require_columns, suggest_column
from ambivox.models.ingestion.delimited import find_layout


@pytest.mark.parametrize(
    ("required", "column"),
    [
        ("audio", "Audio"),
        ("audio", "FileName"),
        ("audio", "wav"),
        ("audio", "path"),
        ("audio", "Input.audio_url"),
        ("audio", "adio"),
        ("annotator_id", "WorkerId"),
        ("annotator_id", "rater"),
        ("annotator_id", "user_id"),
        ("label", "Emotion"),
        ("label", "category"),
        ("label", "Answer.emotion"),
        ("utterance_id", "utterance"),
        ("utterance_id", "Utterance ID"),
        ("utterance_id", "ID"),
        ("utterance_id", "clip"),
    ],
)
def test_typing_mistakes_and_synonyms_are_found(required: str, column: str) -> None:
    assert suggest_column(required, ["notes", column, "x1"]) == column


def test_nothing_similar_is_no_suggestion() -> None:
    assert suggest_column("audio", ["x", "", "notes"]) is None
    assert suggest_column("", ["x", ""]) is None


def test_an_option_s_column_is_found_by_the_option_s_synonyms() -> None:
    assert suggest_column("wavfile", ["x", "recording"], "audio") == "recording"


def test_all_missing_columns_are_in_one_message() -> None:
    with pytest.raises(UserError) as caught:
        require_columns(
            Path("t.csv"),
            ["utterance_id", "audio", "label", "extra"],
            ["id", "wav file", "extra", "note"],
            {"utterance_id": "utterance", "audio": "audio", "label": "label"},
        )
    assert str(caught.value) == (
        "t.csv: columns ['utterance_id', 'audio', 'label'] are missing, found ['id', 'wav file', 'extra', 'note']; "
        "for 'utterance_id' did you mean 'id' (--options.utterance id)?; "
        "for 'audio' did you mean 'wav file' (--options.audio 'wav file')?; "
        "name the column for 'label' with --options.label COLUMN"
    )


def test_several_columns_as_the_label_are_a_column_per_rater() -> None:
    with pytest.raises(UserError, match=r"--options\.shape raters --options\.raters 'ann a,ann b', without"):
        require_columns(
            Path("t.csv"), ["ann a, ann b"], ["clip", "ann a", "ann b"], {"ann a, ann b": "label"}
        )


def test_columns_of_utterances_and_votes_in_one_table(tmp_path: Path) -> None:
    table = tmp_path / "utterances.csv"
    table.write_text("Listening test;;\nclip;wav;emotion\na;a.wav;joy\n")
    with pytest.raises(UserError) as caught:
        load(tmp_path, utterance="clipp", audio="waf", label="emotions")
    message = str(caught.value)
    assert "columns ['clipp', 'waf', 'emotions'] are missing, found ['clip', 'wav', 'emotion']" in message
    for option in ("--options.utterance clip", "--options.audio wav", "--options.label emotion"):
        assert option in message


def test_columns_missing_from_both_tables(tmp_path: Path) -> None:
    (tmp_path / "utterances.csv").write_text("id,wav\na,a.wav\n")
    (tmp_path / "votes.csv").write_text("id,emotion\na,joy\n")
    with pytest.raises(UserError) as caught:
        load(tmp_path, utterance="utterance_id", audio="audio", label="label")
    assert "utterances.csv: columns ['utterance_id', 'audio'] are missing" in str(caught.value)
    assert "; and " in str(caught.value)
    assert "votes.csv: columns ['utterance_id', 'label'] are missing" in str(caught.value)


def test_thousands_of_raters_are_not_compared_with_each_other() -> None:
    raters = [f"r{number}" for number in range(3000)]
    rows = [["file", *raters], ["a.wav", *["joy"] * 3000]]
    started = time.process_time()
    assert find_layout("\n".join(map(",".join, rows)), rows[0]).skipped_lines == 0
    with pytest.raises(UserError, match="'r2999'"):
        require_columns(Path("t.csv"), raters, [name.upper() for name in raters])
    assert time.process_time() - started < 5  # for each with each, a minute

"""Who annotated in Label Studio: returning raters, copies, raters without a name, and spellings of one name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ambivox.models.exchange.label_studio import read_votes
from tests.models.exchange.test_label_studio_results import CALLS


def one_annotation(tmp_path: Path, **fields: Any) -> Path:
    result = [{"from_name": "emotion", "value": {"choices": ["joy"]}}]
    path = tmp_path / "result.json"
    annotation = {"result": result, **fields}
    path.write_text(json.dumps([{"data": {"utterance_id": "u1"}, "annotations": [annotation]}]))
    return path


@pytest.mark.parametrize(
    ("completed_by", "known", "imported", "annotator"),
    [
        ({"id": 2, "email": "Two@X.org"}, ["two@x.org"], [], "two@x.org"),
        ({"id": 2, "username": "kim"}, ["Kim"], [], "Kim"),
        ({"id": 2, "email": "two@x.org"}, ["other"], [], "two@x.org"),
        # Numbers mean users that were imported before, and nobody to whom the corpus gave a number.
        ({"id": 2, "email": "new@lab.org"}, ["1", "2", "3"], [], "new@lab.org"),
        ({"id": 2, "email": "two@x.org"}, ["2"], ["2"], "2"),
        ({"id": 2, "email": "two@x.org"}, [], ["label_studio-2"], "label_studio-2"),
        ({"id": 2, "email": ""}, [], [], "label_studio-2"),
        (2, ["2"], [], "label_studio-2"),
        (2, ["2"], ["2"], "2"),
        (2.0, [], [], "label_studio-2"),
        ("two@x.org", ["TWO@x.org"], [], "TWO@x.org"),
        (None, [], [], "label_studio-anonymous-1"),
    ],
)
def test_a_returning_rater_is_recognised(tmp_path, completed_by, known, imported, annotator):
    path = one_annotation(tmp_path, completed_by=completed_by)
    votes, _ = read_votes(path, CALLS, known_annotators=known, imported_annotators=imported)
    assert votes.frame["annotator_id"].to_list() == [annotator]


def test_a_copied_annotation_is_of_who_copied_it(tmp_path):
    result = {"from_name": "emotion", "value": {"choices": ["joy"]}, "meta": {"annotator_id": "r1"}}
    for parent, annotator in ((None, "r1"), (7, "new@lab.org")):
        user = {"id": 9, "email": "new@lab.org"}
        path = one_annotation(tmp_path, completed_by=user, result=[result], parent_annotation=parent)
        votes, _ = read_votes(path, CALLS, known_annotators=["r1"])
        assert votes.frame["annotator_id"].to_list() == [annotator]


def test_raters_without_a_name_do_not_replace_each_other(tmp_path):
    result = [{"from_name": "emotion", "value": {"choices": ["joy"]}}]
    nobody = [{"completed_by": None, "id": number, "result": result} for number in (71, 72)]
    path = tmp_path / "result.json"
    path.write_text(json.dumps([{"data": {"utterance_id": "u1"}, "annotations": nobody}]))
    votes, rejects = read_votes(path, CALLS)
    assert votes.frame["annotator_id"].to_list() == [
        "label_studio-annotation-71",
        "label_studio-annotation-72",
    ]
    assert rejects.height == 0
    path.write_text(json.dumps([{"data": {"utterance_id": "u1"}, "annotations": [nobody[0], nobody[0]]}]))
    assert read_votes(path, CALLS)[0].frame.height == 2
    path = tmp_path / "result.csv"
    path.write_text("utterance_id,emotion\nu1,joy\nu1,joy\nu1,anger\n")
    votes, rejects = read_votes(path, CALLS)
    assert votes.frame.height == 3 and rejects.height == 0


@pytest.mark.parametrize(
    ("first", "second", "annotator"),
    [
        ("1.0", "1", "label_studio-1"),
        ("R1@x.y", "r1@x.y", "R1@x.y"),
        ('"{""id"": 3, ""email"": ""a@b.c""}"', "a@b.c", "a@b.c"),
        ("kim\u200b", " kim", "kim"),
    ],
)
def test_spellings_of_a_rater_are_one(tmp_path, first, second, annotator):
    path = tmp_path / "result.csv"
    path.write_text(f"utterance_id,emotion,annotator\nu1,joy,{first}\nu2,joy,{second}\n")
    votes, _ = read_votes(path, CALLS)
    assert votes.frame["annotator_id"].to_list() == [annotator, annotator]

"""The loop of planned votes: plan, Label Studio, import into the corpus; the next run pools more votes."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ruamel.yaml import YAML

from ambivox.flows.job import Job
from ambivox.flows.project import enter
from ambivox.flows.stage_arguments import stage_call
from ambivox.models.errors import UserError
from ambivox.models.tables import Distributions, Utterances, Votes
from tests.support.annotation_fixtures import LABELS, write_clip
from tests.support.label_studio_project import export, import_faults, minimal, write_csv
from tests.support.steps import export as export_step
from tests.support.steps import import_votes, plan_labels

UTTERANCES = 24
DATE = "2026-03-09T22:16:08.728353Z"


@pytest.fixture(scope="module")
def pooled_project(tmp_path_factory: pytest.TempPathFactory, small_alm: Path) -> Path:
    """A project with a table of eight speakers in which every utterance has two votes, run as far as pool."""
    made = tmp_path_factory.mktemp("loop")
    root = made / "calls"
    root.mkdir()
    utterances, votes = ["utterance_id,audio,speaker"], ["utterance_id,annotator_id,label"]
    for number in range(UTTERANCES):
        write_clip(root / f"c{number:02}.wav", number)
        utterances.append(f"u{number:02},c{number:02}.wav,s{number % 8}")
        votes += [
            f"u{number:02},lead@example.org,{LABELS[number % 4]}",
            f"u{number:02},r2,{LABELS[number % 3]}",
        ]
    (root / "utterances.csv").write_text("\n".join(utterances))
    (root / "votes.csv").write_text("\n".join(votes))
    folder = made / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text("corpora: {}\n")
    options = {
        "ingest": {"shares": [0.0, 0.5, 0.25, 0.25], "keep_votes": 2},
        "annotate": {"engine": "fake"},
        "pool": {"allow_audio_insensitive": True},
    }
    enter(folder, Job("calls", "table", root, str(small_alm), options, None, ("pooled",), ("on",)))
    with contextlib.chdir(folder):
        run()
    return folder


@pytest.fixture
def project(tmp_path: Path, pooled_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that project, which is the working folder."""
    folder = shutil.copytree(pooled_project, tmp_path / "project")
    monkeypatch.chdir(folder)
    return folder


def run() -> None:
    """What `ambivox run` does as far as pool, in this process."""
    for step in ("ingest", "annotate", "pool"):
        stage_call(Path(), f"{step}@calls").run()


def pooled_votes() -> dict[str, float]:
    frame = Distributions.read(Path("data/calls/distributions/pooled.parquet")).frame
    return dict(frame.select("utterance_id", "human_votes").iter_rows())


def profile() -> dict[str, Any]:
    """What ingest shows on screen and in the report."""
    content: dict[str, Any] = json.loads(Path("data/calls/ingest/profile.json").read_text())
    return content


def planned() -> list[str]:
    """Plan six votes, and return the utterances whose tasks Label Studio was given."""
    data = Path("data/calls")
    plan_labels(
        utterances=data / "ingest/utterances.parquet",
        votes=data / "ingest/votes.parquet",
        annotations=data / "annotations/annotations.parquet",
        out=Path("plan"),
        budget=6,
    )
    assert import_faults(Path("plan")) == []
    return pl.read_csv("plan/batch.csv")["utterance_id"].to_list()


def answers(batch: list[str]) -> list[dict[str, Any]]:
    """What Label Studio exports when three people have answered the planned tasks."""
    given = [
        ("third@example.org", [LABELS[0]], DATE),
        ("Rater.Two@example.org", [LABELS[1], LABELS[2]], DATE),
        ("lead@example.org", [LABELS[3]], DATE),
    ]
    return export(Path("plan"), dict.fromkeys(batch, given))


def test_both_forms_of_an_export_bring_the_same_votes(project):
    exported = answers(planned())
    file = Path("imported_votes/calls.csv")
    empty, brought = file.read_text(), []
    Path("result.json").write_text(json.dumps(exported))
    write_csv(minimal(exported), Path("result.csv"))
    for form in ("json", "csv"):
        file.write_text(empty)
        import_votes(source=Path(f"result.{form}"), into="calls")
        brought.append(pl.read_csv(file).drop("source", "source_sha256"))
    assert brought[0].height > 0
    assert brought[0].equals(brought[1])


def test_planned_votes_come_back_into_the_corpus_and_are_pooled(project, capsys):
    before = pooled_votes()
    batch = planned()
    result = Path("result.json")
    result.write_text(json.dumps(answers(batch)))

    import_votes(source=result, into="calls")
    assert (
        f"{3 * len(batch)} new votes, 0 replace imported ones, 0 were there, 0 rejected"
        in capsys.readouterr().out
    )
    run()
    notes = profile()["notes"]
    assert (
        f"{3 * len(batch)} votes of 3 annotators on {len(batch)} utterances are imported (result.json)"
        in notes
    )
    # Two raters are new; the lead is a returning one, whose earlier vote is replaced.
    assert pooled_votes() == {name: votes + 2 * (name in batch) for name, votes in before.items()}
    votes = Votes.read(Path("data/calls/ingest/votes.parquet")).frame
    lead = votes.filter(annotator_id="lead@example.org", utterance_id=batch[0])
    assert lead["label"].to_list() == [LABELS[3]]

    # Another ingest keeps them, importing them again changes nothing, and a change of mind counts.
    file = Path("imported_votes/calls.csv")
    content = file.read_bytes()
    import_votes(source=result, into="calls")
    assert file.read_bytes() == content
    run()
    assert sum(pooled_votes().values()) == sum(before.values()) + 2 * len(batch)
    later = {batch[0]: [("third@example.org", [LABELS[1]], "2026-04-01T00:00:00Z")]}
    result.write_text(json.dumps(export(Path("plan"), later)))
    result = result.rename("later.json")
    import_votes(source=result, into="calls")
    assert "0 new votes, 1 replace imported ones" in capsys.readouterr().out
    run()
    votes = Votes.read(Path("data/calls/ingest/votes.parquet")).frame
    third = votes.filter(annotator_id="third@example.org", utterance_id=batch[0])
    assert third["label"].to_list() == [LABELS[1]]
    provenance = pl.read_csv(file).filter(utterance_id=batch[0], annotator_id="third@example.org")
    assert provenance["source"].to_list() == ["later.json"] and len(provenance["source_sha256"][0]) == 64


def test_a_whole_corpus_goes_to_label_studio_and_comes_back_unchanged(project):
    data = Path("data/calls/ingest")
    export_step(
        utterances=data / "utterances.parquet",
        votes=data / "votes.parquet",
        out=Path("ls"),
        format="label_studio",
    )
    assert import_faults(Path("ls")) == []
    Path("result.json").write_text(json.dumps(export(Path("ls"), {})))
    import_votes(source=Path("result.json"), utterances=data / "utterances.parquet", out=Path("back"))
    assert Votes.read(Path("back/votes.parquet")).frame.equals(Votes.read(data / "votes.parquet").frame)


def test_votes_that_no_longer_fit_are_rejected_by_ingest(project):
    file = Path("imported_votes/calls.csv")
    row = ",x,anger,1,s.json,0\n"
    file.write_text(file.read_text() + f"u00{row}gone{row}")
    stage_call(Path(), "ingest@calls").run()
    assert profile()["rejects"] == {"imported vote for an unknown utterance": 1}
    assert Votes.read(Path("data/calls/ingest/votes.parquet")).frame.filter(annotator_id="x").height == 1


def test_dvc_s_stage_depends_on_the_file_and_entering_makes_it(project):
    stages = YAML(typ="safe").load(Path(__file__).parents[2] / "dvc.yaml")["stages"]
    assert "imported_votes/${key}.csv" in stages["ingest"]["do"]["deps"]
    assert Path("imported_votes/calls.csv").read_text().splitlines() == [
        "utterance_id,annotator_id,label,weight,source,source_sha256"
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"into": "nonesuch"}, "expected the name of a corpus that was ingested"),
        ({"into": "calls", "out": Path("x")}, "leave out --utterances"),
        ({"out": Path("x")}, "needs --into KEY"),
        ({}, "needs --into KEY"),
        ({"into": "calls", "source": Path("nonesuch.json")}, "cannot be read"),
    ],
)
def test_what_cannot_be_imported_is_said(project, arguments, message):
    Path("result.json").write_text("[]")
    with pytest.raises(UserError, match=message):
        import_votes(**({"source": Path("result.json")} | arguments))


def label_studio_result(path: Path, *opinions: tuple[str, Any, str]) -> Path:
    """An export with an annotation per utterance, user and label."""
    tasks = [
        {
            "data": {"utterance_id": utterance},
            "annotations": [
                {"completed_by": user, "result": [{"from_name": "emotion", "value": {"choices": [label]}}]}
            ],
        }
        for utterance, user, label in opinions
    ]
    path.write_text(json.dumps(tasks))
    return path


def test_votes_of_the_corpus_that_are_replaced_are_named(project, capsys):
    lead = {"id": 3, "email": "Lead@example.org"}
    result = label_studio_result(Path("r.json"), ("u00", lead, LABELS[1]), ("u01", 1, LABELS[0]))
    import_votes(source=result, into="calls")
    shown = capsys.readouterr().out
    assert (
        f"1 replaces a vote of the corpus, such as 'lead@example.org' on 'u00': {LABELS[0]} becomes" in shown
    )
    raters = pl.read_csv("imported_votes/calls.csv")["annotator_id"].to_list()
    assert raters == ["lead@example.org", "label_studio-1"]
    import_votes(source=label_studio_result(Path("s.json"), ("u01", 1, LABELS[1])), into="calls")
    assert "0 new votes, 1 replace imported ones" in capsys.readouterr().out


def test_a_result_without_votes_is_warned_about(project, capsys):
    Path("r.json").write_text('[{"data": {"utterance_id": "u00"}, "annotations": []}]')
    import_votes(source=Path("r.json"), into="calls")
    assert "no vote was read" in capsys.readouterr().err


def test_tables_of_other_formats_are_checked_like_results_of_tools(project, capsys):
    data = Path("data/calls/ingest")
    utterances = Utterances.read(data / "utterances.parquet")
    other = utterances.frame.head(1).with_columns(utterance_id=pl.lit("gone"))
    labels = (*utterances.labels, "bored")
    rows = [
        ("u00", "kim", "human", LABELS[1].upper(), 1.0),
        ("u01", "kim", "human", LABELS[0], 0.5),
        ("u01", "kim", "human", "bored", 0.5),
        ("gone", "kim", "human", LABELS[0], 1.0),
        ("u02", "gpt", "alm", LABELS[0], 1.0),
    ]
    labels = (*labels, LABELS[1].upper())
    Path("other").mkdir()
    Utterances.check(pl.concat([utterances.frame, other]), labels).write(Path("other/utterances.parquet"))
    Votes.check(pl.DataFrame(rows, list(Votes.required), orient="row"), labels).write(
        Path("other/votes.parquet")
    )
    export_step(
        utterances=Path("other/utterances.parquet"),
        votes=Path("other/votes.parquet"),
        out=Path("exported"),
        format="csv",
    )
    import_votes(source=Path("exported"), into="calls", format="csv")
    brought = pl.read_csv("imported_votes/calls.csv").select(
        "utterance_id", "annotator_id", "label", "weight"
    )
    assert brought.rows() == [("u00", "kim", LABELS[1], 1.0), ("u01", "kim", LABELS[0], 1.0)]
    rejects = pl.read_parquet("imported_votes/calls-rejects.parquet")
    assert sorted(rejects["reason"]) == [
        "imported vote for an unknown utterance",
        "imported vote with an unknown label",
        "vote of an ALM (import-annotations takes them)",
    ]
    assert "such as 'bored' (known labels: " in capsys.readouterr().out

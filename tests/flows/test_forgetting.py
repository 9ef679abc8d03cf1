"""``ambivox forget``: nothing of a person is left in the project and the user's cache, nor in DVC's after the printed commands."""

from __future__ import annotations

import contextlib
import gzip
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile
from safetensors.numpy import save_file

from ambivox.flows import params_file
from ambivox.flows.job import Job
from ambivox.flows.project import enter
from ambivox.models.engines.hosted.answer import Answer
from ambivox.models.engines.hosted.journal import Journal
from ambivox.models.ingestion import imported_votes
from ambivox.models.tables import Utterances, Votes
from tests.support.scratch_project import COMMAND, ambivox, environment, make_project

SPEAKERS = ("anna-k", "boris-m", "chloe-w", "dmitri-a", "elena-p", "farid-t", "grace-o", "hugo-l")
CLIPS_EACH = 6
FIRST = [f"call-{number:03}" for number in range(len(SPEAKERS))]  # the first utterance of each
STAGES = ("ingest@people", "annotate@people", "pool@people", "validate@people", "augment@people-human")


def corpus(root: Path) -> Path:
    """Tones that all differ; two thirds of the votes are for one label, so that DiME-Aug mixes the others."""
    utterances, votes = [], []
    for number in range(len(SPEAKERS) * CLIPS_EACH):
        name, speaker = f"call-{number:03}", SPEAKERS[number % len(SPEAKERS)]
        times = np.arange(int(16_000 * (0.3 + 0.005 * number))) / 16_000
        (root / "audio").mkdir(parents=True, exist_ok=True)
        soundfile.write(
            root / f"audio/{name}.wav", 0.2 * np.sin(2 * np.pi * (200 + 7 * number) * times), 16_000
        )
        utterances.append({"utterance_id": name, "audio": f"audio/{name}.wav", "speaker": speaker})
        label = ("Neutral", "Neutral", "Anger", "Neutral", "Sadness", "Neutral")[number // len(SPEAKERS)]
        votes += [{"utterance_id": name, "annotator_id": f"r{rater}", "label": label} for rater in range(3)]
    pl.DataFrame(utterances).write_csv(root / "utterances.csv")
    pl.DataFrame(votes).write_csv(root / "votes.csv")
    return root


def caches(project: Path) -> dict[str, str]:
    """A user's cache of this test's own."""
    return {"AMBIVOX_CACHE": str(project.parent / "cache")}


def dvc(project: Path, *words: str) -> None:
    path = os.pathsep.join([str(COMMAND.parent), os.environ["PATH"]])
    subprocess.run(
        [sys.executable, "-m", "dvc", *words],
        cwd=project,
        env=environment(PATH=path, **caches(project)),
        check=True,
        capture_output=True,
    )


def git(project: Path, *words: str) -> str:
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    return subprocess.run(
        ["git", *who, *words], cwd=project, check=True, capture_output=True, text=True
    ).stdout


def content(path: Path) -> bytes:
    """All that a file holds, with tables and databases as text."""
    raw = path.read_bytes()
    if raw.startswith(b"PAR1"):
        return str(pl.read_parquet(path).to_dicts()).encode()
    if raw.startswith(b"SQLite format 3\0"):
        with sqlite3.connect(path) as database:
            return raw + "\n".join(database.iterdump()).encode()
    return raw


def holders(names: Collection[str], *folders: Path, skipped: Collection[str] = ()) -> list[str]:
    """The files below folders that hold one of the names."""
    found = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not set(skipped) & set(path.parts):
                text = content(path)
                if any(name.encode() in text for name in names):
                    found.append(str(path.relative_to(folder)))
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after a run, with whatever else may hold a person: exports, imports, paid answers, states, logs."""
    folder = tmp_path_factory.mktemp("finished")
    project = make_project(folder / "project")
    settings = {
        "ingest": {"shares": [0.0, 0.6, 0.2, 0.2], "keep_votes": 2},
        "annotate": {"engine": "fake", "orders": 2},
        "augment": {"ratio": 0.5},
    }
    corpus(folder / "recordings")
    root = Path("../recordings")
    with contextlib.chdir(project):
        enter(Path(), Job("people", "table", root, "qwen2_audio", settings, None, ("human",), ("on",)))
    labels = ("anger", "neutral", "sadness")
    votes = pl.DataFrame({"utterance_id": FIRST, "annotator_id": "late", "label": "anger"}).with_columns(
        annotator_kind=pl.lit("human"), weight=1.0
    )
    imported_votes.add(imported_votes.place(project, "people"), Votes.check(votes, labels), "late.csv", "0")
    git(project, "add", "params.yaml", "dvc.yaml", "imported_votes", ".dvc")
    git(project, "commit", "-qm", "Enter")
    dvc(project, "repro", *STAGES)
    ran = ambivox(
        project,
        *("export", "--utterances", "data/people/ingest/utterances.parquet"),
        *("--votes", "data/people/ingest/votes.parquet", "--format", "csv", "--out", "exported/csv"),
    )
    assert ran.returncode == 0, ran.stderr
    git(project, "add", "dvc.lock")
    git(project, "commit", "-qm", "Run")
    git(project, "tag", "people-v1")
    for name, sha256 in hashes(project).items():
        journal = Journal(project / ".ambivox/store/hosted.sqlite", "https://api.example.org", "model")
        journal.add(f"request about {sha256}", Answer(text=name, model="model"), f"{sha256}:0")
        journal.close()
        states = project / f".ambivox/audio-states/r1/{name}.safetensors"
        states.parent.mkdir(parents=True, exist_ok=True)
        save_file({f"{sha256}~1": np.zeros((2, 2), np.float32)}, states)
    # The report names utterances beside their clips.
    report = "".join(f"<p>{name} {sha256}</p>" for name, sha256 in hashes(project).items())
    (project / "data/people/report.html").write_text(report)
    database = project / ".ambivox/prefect/prefect.db"
    database.parent.mkdir(parents=True)
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, message TEXT)")
        connection.executemany(
            "INSERT INTO log (message) VALUES (?)", [(f"rejected {name}",) for name in FIRST]
        )
    return project


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A copy of that project, with its recordings and caches."""
    for name in ("project", "recordings", "cache"):
        shutil.copytree(finished.parent / name, tmp_path / name)
    return tmp_path / "project"


def hashes(project: Path) -> dict[str, str]:
    frame = Utterances.read(project / "data/people/ingest/utterances.parquet").frame
    return dict(frame.select("utterance_id", "audio_sha256").rows())


def test_nothing_of_a_person_is_left(project: Path, tmp_path: Path) -> None:
    recordings, cache = tmp_path / "recordings", tmp_path / "cache"
    before = hashes(project)
    mixes = pl.read_parquet(project / "data/people/augmented/human/utterances.parquet")
    person = SPEAKERS[int(mixes["parent_first"][0].removeprefix("call-")) % len(SPEAKERS)]
    ids = {f"call-{number:03}" for number in range(len(before)) if SPEAKERS[number % len(SPEAKERS)] == person}
    mixed = mixes.filter(pl.any_horizontal(pl.col("parent_first", "parent_second").is_in(list(ids))))
    names = {person, *ids, *(before[each] for each in ids), *mixed["audio_sha256"]}
    (project / "notes.txt").write_text(f"{min(ids)} is a nice example")
    (project / "backup.csv.gz").write_bytes(gzip.compress((recordings / "votes.csv").read_bytes()))
    held = holders(names, project, cache, skipped={".git", ".dvc"})
    assert len(held) > 20  # the search finds what is there
    others = {name for name in before if name not in ids}

    killed = subprocess.Popen(
        [str(COMMAND), "forget", "--speaker", person], cwd=project, env=environment(**caches(project))
    )
    deadline = time.monotonic() + 60
    while "speaker-" not in (project / "params.yaml").read_text() and time.monotonic() < deadline:
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = ambivox(project, "forget", "--speaker", person, "--delete-recordings", **caches(project))
    assert done.returncode == 0, done.stderr
    # What the user wrote is named, and not touched.
    assert holders(names, project, cache, skipped={".git", ".dvc"}) == ["notes.txt"]
    assert (
        f"{project / 'notes.txt'}: mentions them" in done.stderr or "notes.txt: mentions them" in done.stderr
    )
    assert "backup.csv.gz: mentions them" in done.stderr
    assert done.stderr.count("mentions them") == 2
    assert "earlier commits hold imported_votes/people.csv (save" in done.stderr
    (project / "notes.txt").unlink()
    (project / "backup.csv.gz").unlink()
    assert len(list((recordings / "audio").iterdir())) == len(others)
    assert "6 recordings" in done.stdout
    assert "https://api.example.org" in done.stderr
    with sqlite3.connect(project / ".ambivox/prefect/prefect.db") as connection:
        assert connection.execute("SELECT message FROM log").fetchall() == [
            (f"rejected {name}",) for name in FIRST if name not in ids
        ]
    assert (
        set(imported_votes.read(imported_votes.place(project, "people"))["utterance_id"]) == set(FIRST) - ids
    )
    stored = pl.concat(map(pl.read_parquet, (project / ".ambivox/store").glob("*/*.parquet")))
    assert set(stored["audio_sha256"]) == {before[each] for each in others}

    # DVC's cache and git still have them, until the commands that were printed are run.
    assert holders(names, project / ".dvc/cache")
    commands = [line.strip() for line in done.stdout.splitlines() if line.startswith("    ")]
    assert "git tag -d people-v1" in commands
    assert any(command.startswith("git filter-repo") for command in commands)
    for command in commands:
        match shlex.split(command):
            case ["dvc", "repro"]:
                dvc(project, "repro", *STAGES)
            case ["dvc", *words]:
                dvc(project, *words)
            case ["git", "filter-repo", *_]:
                pass  # not installed here; the imported votes stay in git's history
            case ["git", *words]:
                git(project, *words)
            case ["rm", "-r", folder]:
                shutil.rmtree(folder)
            case words:
                raise AssertionError(words)
    assert holders(names, project, cache, skipped={".git"}) == []
    assert set(hashes(project)) == others
    assert git(project, "tag", "--list") == ""
    again = ambivox(project, "forget", "--speaker", person, **caches(project))
    assert (again.returncode, again.stdout.split(":")[0]) == (0, "nothing found")


def test_single_utterances_are_forgotten_by_a_list(project: Path, tmp_path: Path) -> None:
    before = hashes(project)
    listed = tmp_path / "listed.txt"
    listed.write_text("call-003\n\ncall-017\n")
    done = ambivox(project, "forget", "--utterances", str(listed), "--corpus", "people")
    assert done.returncode == 0, done.stderr
    assert "people: 2 utterances are forgotten" in done.stdout
    assert "2 of your own recordings stay" in done.stderr
    # The tables were removed: who is in them cannot be found before they are made again, and is told so.
    listed.write_text("call-004\n")
    early = ambivox(project, "forget", "--utterances", str(listed), "--corpus", "people")
    assert early.returncode == 2
    assert "run dvc repro ingest@people, then this command again" in early.stderr
    listed.write_text("call-003\ncall-017\n")
    gone = {"call-003", "call-017", before["call-003"], before["call-017"]}
    assert holders(gone, project, skipped={".git", ".dvc"}) == []
    dvc(project, "repro", "ingest@people")
    assert before.keys() - hashes(project).keys() == {"call-003", "call-017"}
    again = ambivox(project, "forget", "--utterances", str(listed))
    assert (again.returncode, again.stdout.split(":")[0]) == (0, "nothing found")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "nobody is named; expected --speaker ID or --utterances FILE"),
        (
            ("--speaker", "ana-k"),
            "found no utterance of speaker 'ana-k' in demo, people; nothing was changed",
        ),
        (
            ("--speaker", "boris-m", "--corpus", "persons"),
            "unknown corpus of params.yaml 'persons'; known: demo, people",
        ),
        (("--utterances", "absent.txt"), "absent.txt: cannot be read"),
    ],
)
def test_a_mistake_changes_nothing(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    project = make_project(tmp_path / "project")
    root = corpus(tmp_path / "recordings")
    enter(project, Job("people", "table", root, "qwen2_audio", {}, None, ("human",), ("on",)))
    before = (project / "params.yaml").read_bytes()
    done = ambivox(project, "forget", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert (project / "params.yaml").read_bytes() == before
    assert not any(_entries(project))


def _entries(project: Path) -> list[str]:
    return list(params_file.load(project)["corpora"]["people"]["ingest"]["forgotten"])


def test_a_project_without_corpora_has_nobody(tmp_path: Path) -> None:
    from ambivox.models.forgetting.selection import select

    assert select({}, (), speakers=["anna"], ids=["u1"]) == {}

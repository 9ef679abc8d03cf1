"""Publishing a release on a hub: what is sent, what readers get, and what is refused; through a local hub server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import yaml

import ambivox
from ambivox.models.errors import UserError
from ambivox.models.files import write_json
from ambivox.models.tables import Distributions
from tests.support.hub_repositories import READ_TOKEN, WRITE_TOKEN
from tests.support.hub_server import HubServer
from tests.support.release_project import git, make_release_project
from tests.support.report_run import HOSTILE, make_run
from tests.support.steps import release
from tests.support.writable_hub import writable_hub

DATA = Path("data/unit")
PUBLISHED = {
    ".gitattributes",
    "README.md",
    "croissant.json",
    "metrics.json",
    "data/pretrain.parquet",
    "data/train.parquet",
    "data/development.parquet",
    "data/test.parquet",
    "distributions/human.parquet",
    "distributions/synthetic.parquet",
    "distributions/combined.parquet",
    "distributions/pooled.parquet",
}
# The second block decodes audio, which this dataset does not hold: tests/models/publishing/test_dataset_folder.py runs it.
PAGE, _ = re.findall(
    r"```python\n(.*?)```", (Path(__file__).parents[2] / "docs/sharing.md").read_text(), re.DOTALL
)
# The code of the page, then what it must have loaded.
LOAD_FROM_HUB = (
    PAGE.replace("OWNER/NAME", "team/unit")
    + """
assert utterances.num_rows == {"pretrain": 15, "train": 15, "development": 15, "test": 15}
assert human.num_rows == len(pooled) == 45
import json
import datasets
rows = datasets.load_dataset("team/unit", revision="v1")
human = datasets.load_dataset("team/unit", "human", split="utterances", revision="v1")
first = rows["train"][0]
label = rows["train"].features["votes"].feature["label"]
print(json.dumps({
    "rows": {split: len(part) for split, part in rows.items()},
    "votes": [label.int2str(vote["label"]) for vote in first["votes"]],
    "id": first["utterance_id"], "distribution": first["distribution"], "source": first["source"],
    "human": human[0], "transcript": first["transcript"], "audio": first["audio"],
}))
"""
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("hub") / "project"
    make_run(root / "made", 60, hostile=HOSTILE)
    profile = root / "made/ingest/profile.json"
    write_json(profile, json.loads(profile.read_text()) | {"licence": "CC BY 4.0 | <b>"})
    # Tables of pooled distributions have more columns than the labels.
    pooled = Distributions.read(root / "made/distributions/pooled.parquet")
    wider = pooled.frame.with_columns(dominant_low=0.25, fallback=pl.lit(False))
    Distributions.check(wider, pooled.labels).write(root / "made/distributions/pooled.parquet")
    make_release_project(root)
    before = Path.cwd()
    os.chdir(root)
    yield root
    os.chdir(before)


@pytest.fixture(scope="module")
def published(project: Path) -> Iterator[HubServer]:
    """A hub with the dataset's first version."""
    server = HubServer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", server.url)
        patch.setenv("HF_TOKEN", WRITE_TOKEN)
        patch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        release(data=DATA, version="v1", push_to_hub="team/unit", licence="cc-by-4.0")
    yield server
    server.close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with writable_hub(monkeypatch) as server:
        yield server


def test_a_dry_run_lists_the_files_and_sends_nothing(
    project: Path, hub: HubServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    release(data=DATA, version="v7", push_to_hub="team/unit", dry_run=True)
    shown = capsys.readouterr().out
    assert "distributions/pooled.parquet: " in shown
    assert "would publish these 11 files" in shown
    assert f"as v7 of the private dataset {hub.url}/datasets/team/unit; sent nothing" in shown
    assert hub.requests == []
    assert "unit-v7" not in git("tag", cwd=project)
    assert not Path("releases/unit-v7.md").exists()
    assert git("status", "--porcelain", "releases", cwd=project) == ""


def test_what_is_published(project: Path, published: HubServer) -> None:
    repository = published.repositories.repositories["dataset team/unit"]
    files = repository.commits[repository.tags["v1"]]
    assert set(files) == PUBLISHED
    assert repository.private
    assert len(repository.commits) == 2
    assert set(published.tokens) <= {f"Bearer {WRITE_TOKEN}", ""}
    assert files["distributions/pooled.parquet"] == (DATA / "distributions/pooled.parquet").read_bytes()
    assert not any(WRITE_TOKEN.encode() in content for content in files.values())
    assert not any(str(project).encode() in content for content in files.values())
    card = files["README.md"].decode()
    _, front, body = card.split("---\n", 2)
    header = yaml.safe_load(front)
    assert header["license"] == "cc-by-4.0"
    assert [config["config_name"] for config in header["configs"]] == [
        "default",
        "human",
        "synthetic",
        "combined",
        "pooled",
    ]
    assert header["task_categories"] == ["audio-classification"]
    assert header["annotations_creators"] == ["machine-generated"]
    assert header["size_categories"] == ["n<1K"]
    for expected in (
        "# unit v1",
        "| Licence of the corpus | CC BY 4.0 \\| &lt;b> |",
        "0.160 [0.152, 0.169]",
        "nll ↓",
        "squared error ↓",
        'load_dataset("team/unit", revision="v1")',
        "2601.14620",
        "pooled.parquet | `",
    ):
        assert expected in body
    assert "<script" not in body


def test_the_header_describes_the_columns_as_datasets_does(project: Path, published: HubServer) -> None:
    datasets = pytest.importorskip("datasets")
    header = yaml.safe_load(Path("releases/unit-v1/README.md").read_text().split("---\n", 2)[1])
    loaded = datasets.load_dataset("releases/unit-v1", split="train", cache_dir=str(project / "cache"))
    features = next(info["features"] for info in header["dataset_info"] if info["config_name"] == "default")
    assert datasets.Features._from_yaml_list(features) == loaded.features
    pooled = datasets.load_dataset("releases/unit-v1", "pooled", cache_dir=str(project / "cache"))[
        "utterances"
    ]
    table = Distributions.read(DATA / "distributions/pooled.parquet").frame
    assert pooled["angry"][:] == table["angry"].to_list()


def test_readers_get_it_from_the_hub(project: Path, published: HubServer, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    environment = os.environ | {
        "HF_ENDPOINT": published.url,
        "HF_TOKEN": READ_TOKEN,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "HF_HUB_DISABLE_XET": "1",
    }
    shown = subprocess.run(
        [sys.executable, "-c", LOAD_FROM_HUB], env=environment, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    got = json.loads(shown.stdout.splitlines()[-1])
    assert got["rows"] == dict.fromkeys(("pretrain", "train", "development", "test"), 15)
    votes = pl.read_parquet(DATA / "ingest/votes.parquet").filter(utterance_id=got["id"]).sort("annotator_id")
    assert got["votes"] == votes["label"].to_list()
    table = Distributions.read(DATA / "distributions/pooled.parquet")
    (row,) = table.frame.filter(utterance_id=got["id"]).select(table.labels).rows()
    assert got["distribution"] == list(row)
    assert got["source"] == "pooled"
    assert got["human"] == Distributions.read(DATA / "distributions/human.parquet").frame.to_dicts()[0]
    assert (got["transcript"], got["audio"]) == (None, f"{got['id']}.wav")


def test_load_distributions_reads_the_hub(
    project: Path, published: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", published.url)
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for revision in (None, "v1"):
        frame = ambivox.load_distributions("team/unit", "human", revision=revision)
        assert frame.equals(Distributions.read(DATA / "distributions/human.parquet").frame)
    at_revision = ambivox.load_distributions(DATA, revision="unit-v1")
    assert at_revision.equals(Distributions.read(DATA / "distributions/pooled.parquet").frame)
    assert ambivox.load_distributions("releases/unit-v1").equals(ambivox.load_distributions(DATA))
    for name, revision, words in (
        ("team/other", None, "team/other: no such folder here, and no such dataset on"),
        ("team/unit", "v9", "has no revision 'v9'"),
        ("data/other", None, "found no table of pooled distributions"),
    ):
        with pytest.raises(UserError, match=words) as error:
            ambivox.load_distributions(name, revision=revision)
        assert "\n" not in str(error.value)


def test_croissant_is_valid_and_reads_the_tables(project: Path, published: HubServer) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    dataset = mlcroissant.Dataset(jsonld="releases/unit-v1/croissant.json")
    assert dataset.metadata.ctx.issues.errors == set()
    assert dataset.metadata.version == "1.0.0"
    rows = list(dataset.records("pooled/utterances"))
    frame = Distributions.read(DATA / "distributions/pooled.parquet").frame
    assert [row["pooled/utterances/angry"] for row in rows] == frame["angry"].to_list()
    first = next(iter(dataset.records("default/train")))
    assert first["default/train/utterance_id"] == b"u0001"
    assert len(first["default/train/votes"]) == 3


def test_publishing_again_changes_nothing(
    project: Path, hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    release(data=DATA, version="v2", push_to_hub="team/unit", public=True)
    repository = hub.repositories.repositories["dataset team/unit"]
    assert not repository.private
    commits, uploads = list(repository.commits), hub.repositories.uploads
    capsys.readouterr()
    release(data=DATA, version="v2", push_to_hub="team/unit")
    assert "was published before, unchanged" in capsys.readouterr().out
    assert list(repository.commits) == commits
    assert hub.repositories.uploads == uploads
    # The version after it replaces all files, and its large files are on the hub already.
    repository.commits[repository.head]["data/old-00000.parquet"] = b"of an earlier version"
    repository.commits[repository.head]["audformat/db.old.parquet"] = b"of an earlier version"
    release(data=DATA, version="v3", push_to_hub="team/unit", include=())
    assert set(repository.commits[repository.tags["v3"]]) == PUBLISHED
    assert repository.commits[repository.tags["v2"]] != repository.commits[repository.tags["v3"]]
    repository.commits[repository.tags["v3"]]["metrics.json"] = b"{}"
    with pytest.raises(
        UserError, match=r"v3 is published with another content \(1 file differs, the first is metrics"
    ):
        release(data=DATA, version="v3", push_to_hub="team/unit", include=())


@pytest.mark.parametrize(
    ("token", "name", "refusal", "words"),
    [
        (None, "team/x", 0, "found no token for http.*set HF_TOKEN to one with write access to team"),
        ("hf_unknown", "team/x", 0, "answered 401 .*does not know this HF_TOKEN"),
        (
            READ_TOKEN,
            "team/x",
            0,
            "answered 403 .*may not write there; use a token with write access to team",
        ),
        (WRITE_TOKEN, "others/x", 0, "answered 403 .*write access to others"),
        (WRITE_TOKEN, "team/x", 409, "answered 409 .*run the same command again"),
        (WRITE_TOKEN, "team/x", 412, "answered 412 .*run the same command again"),
        (WRITE_TOKEN, "team/x", 422, "answered 422"),
        (WRITE_TOKEN, "no-owner", 0, "expected OWNER/NAME"),
        (WRITE_TOKEN, "a/b/c", 0, "expected OWNER/NAME"),
        (WRITE_TOKEN, "team/..", 0, "expected OWNER/NAME"),
    ],
)
def test_refusals_are_one_line_without_the_token(
    project: Path,
    published: HubServer,
    hub: HubServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    token: str | None,
    name: str,
    refusal: int,
    words: str,
) -> None:
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    else:
        monkeypatch.setenv("HF_TOKEN", token)
    hub.repositories.refusal = refusal
    hub.repositories.message = f"no\nway \x1b[31m for {token}"
    with pytest.raises(UserError, match=words) as error:
        release(data=DATA, version="v1", push_to_hub=name)
    shown = str(error.value) + "".join(capsys.readouterr())
    assert "\n" not in str(error.value)
    assert token is None or token not in shown
    assert "\x1b" not in str(error.value)


def test_a_hub_that_cannot_be_reached(
    project: Path, published: HubServer, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be reached") as error:
        release(data=DATA, version="v1", push_to_hub="team/unit")
    assert "\n" not in str(error.value)


def test_audio_and_transcripts_need_an_open_licence(project: Path, hub: HubServer) -> None:
    for content in ("audio", "transcripts"):
        with pytest.raises(UserError, match=f"not known to allow passing {content} on"):
            release(data=DATA, version="v8", push_to_hub="team/unit", include=("votes", content))
    assert "unit-v8" not in git("tag", cwd=project)
    release(
        data=DATA,
        version="v8",
        push_to_hub="team/unit",
        include=("transcripts",),
        licence="ODbL 1.0",
        dry_run=True,
    )
    row = pl.read_parquet("releases/unit-v8/data/train.parquet").row(0, named=True)
    assert (row["transcript"], row["votes"]) == ("sentence 1", [])

"""Which tower an option means: from a folder, from a hub (a local server that speaks its API), and where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambivox.models.embedded_alm.tower_choice import (
    AUTO,
    DEFAULT_REVISION,
    DEFAULT_WHISPER,
    STATISTICS,
    TowerChoice,
    choose_tower,
    fetch_whisper,
)
from ambivox.models.embedded_alm.whisper_encoder import read_shape
from ambivox.models.errors import UserError
from ambivox.models.prompting.model_folder import revision_of
from tests.support.hub_server import HubServer
from tests.support.whisper_folders import make_whisper


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_whisper(tmp_path_factory.mktemp("whisper") / "w")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    server = HubServer()
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    yield server
    server.close()


def test_a_folder_is_known_by_its_content(whisper: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whisper, folder)
    choice = choose_tower(str(folder))
    assert choice == TowerChoice(str(folder), revision_of(whisper))
    assert choose_tower(str(folder), choice.revision) == choice
    assert fetch_whisper(choice) == folder
    make_whisper(folder, seed=1)
    with pytest.raises(UserError, match=rf"expected the Whisper of revision {choice.revision}, found"):
        choose_tower(str(folder), choice.revision)


def test_a_name_on_the_hub_is_its_newest_commit_and_only_safe_files_are_fetched(
    hub: HubServer, whisper: Path, tmp_path: Path
) -> None:
    published = tmp_path / "published"
    shutil.copytree(whisper, published)
    (published / "pytorch_model.bin").write_bytes(b"a pickle")
    (published / "modeling.py").write_text("raise SystemExit('never fetched, never run')")
    commit = hub.put("team/whisper", published)
    choice = choose_tower("team/whisper")
    assert choice == TowerChoice("team/whisper", commit)
    folder = fetch_whisper(choice)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert read_shape(folder, 3) == read_shape(whisper, 3)
    before = len(hub.requests)
    assert choose_tower("team/whisper", commit) == choice and fetch_whisper(choice) == folder
    assert len(hub.requests) == before  # a pinned commit that is here needs no hub


def test_weights_in_parts_are_fetched(hub: HubServer, tmp_path: Path) -> None:
    parts = make_whisper(tmp_path / "parts", shard="100KB")
    hub.put("team/large", parts)
    folder = fetch_whisper(choose_tower("team/large"))
    assert {path.name for path in folder.glob("*.safetensors")} == {
        path.name for path in parts.glob("*.safetensors")
    }


def test_auto_is_whisper_tiny_where_the_hub_has_it(hub: HubServer, whisper: Path) -> None:
    hub.put(DEFAULT_WHISPER, whisper)
    assert choose_tower(AUTO) == TowerChoice(DEFAULT_WHISPER, DEFAULT_REVISION)
    assert any(DEFAULT_REVISION in request for request in hub.requests)  # the hub was asked for this commit


@pytest.mark.parametrize("failure", ["500", "403", "nonsense", "no model", "no server", "no usable proxy"])
def test_auto_is_the_statistics_with_a_notice_where_it_cannot_be_had(
    failure: str,
    hub: HubServer,
    whisper: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if failure == "no server":
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    elif failure == "no usable proxy":
        monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:7891")
    elif failure != "no model":
        hub.put(DEFAULT_WHISPER, whisper)
        hub.failure = failure
    choice = choose_tower(AUTO)
    assert choice == TowerChoice(STATISTICS, None)
    assert "cannot be had" in choice.notice and "--tower FOLDER" in choice.notice
    assert "\n" not in choice.notice


def test_what_cannot_be_had_is_one_line(hub: HubServer, whisper: Path, tmp_path: Path) -> None:
    for tower in (str(tmp_path / "missing"), "whisper", "a/b/c", "../x/y"):
        with pytest.raises(UserError, match="there is no such folder"):
            choose_tower(tower)
    with pytest.raises(UserError, match="team/missing cannot be read"):
        choose_tower("team/missing")
    hub.put("team/whisper", whisper)
    commit = hub.models["team/whisper"]["sha"]
    hub.failure = "403"
    for ask in (
        lambda: choose_tower("team/whisper"),
        lambda: fetch_whisper(TowerChoice("team/whisper", commit)),
    ):
        with pytest.raises(UserError, match="team/whisper cannot be read") as error:
            ask()
        assert "\n" not in str(error.value)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match=r"no \*\.safetensors weights there"):
        choose_tower(str(empty))


def test_statistics_has_no_revision() -> None:
    assert choose_tower(STATISTICS, "anything") == TowerChoice(STATISTICS, None)

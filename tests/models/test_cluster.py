"""Batches on a Ray cluster of two nodes: the same results as on threads, whatever happens to a node."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.models.audio.probing import probe
from ambivox.models.augmentation.feature_cache import cached_acoustic_features
from ambivox.models.cluster import ADDRESS, map_batches
from ambivox.models.errors import OutageError, UserError
from ambivox.models.tables import Utterances

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def nodes() -> Iterator[str]:
    """The address of a cluster of two nodes with a core each."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # with Ray's default, its workers starve beside other tests
        cluster = Cluster()
        cluster.add_node(num_cpus=1, include_dashboard=False)
        cluster.add_node(num_cpus=1)
        # Kept, so that the tests share the workers, which take seconds to start.
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster.address
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def on_cluster(nodes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, nodes)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Twelve recordings of different lengths, and a file that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(5)
    for number in range(12):
        soundfile.write(folder / f"{number}.wav", rng.normal(0, 0.1, 8_000 + 700 * number), 16_000)
    (folder / "broken.wav").write_bytes(b"RIFF and nothing else")
    return [str(path) for path in sorted(folder.iterdir())]


def where(batch: Sequence[int]) -> list[tuple[int, int]]:
    time.sleep(0.2)
    return [(number, os.getpid()) for number in batch]


def refuse(batch: Sequence[int]) -> list[int]:
    raise UserError(f"{batch[0]} is not wanted; remove it")


def kill_itself_once(batch: Sequence[str]) -> list[str]:
    for name in batch:
        if not Path(name).exists():
            Path(name).touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return list(batch)


@pytest.mark.usefixtures("on_cluster")
def test_batches_run_on_both_nodes_and_come_back_in_order() -> None:
    results = [row for rows in map_batches(where, [[1, 2], [3], [4], [5, 6], [7], [8]], 1) for row in rows]
    assert [number for number, _ in results] == list(range(1, 9))
    processes = {process for _, process in results}
    assert len(processes) > 1
    assert os.getpid() not in processes


@pytest.mark.usefixtures("on_cluster")
def test_probing_and_features_have_the_same_bytes_as_on_threads(
    recordings: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ambivox.models.parallel._BATCH", 4)
    on_cluster = probe(recordings, tmp_path / "cluster.sqlite")
    features = cached_acoustic_features(utterances(on_cluster), tmp_path / "cluster")
    monkeypatch.delenv(ADDRESS)
    here = probe(recordings, tmp_path / "here.sqlite")
    assert on_cluster.equals(here)
    assert here["problem"].drop_nulls().len() == 1
    features_here = cached_acoustic_features(utterances(here), tmp_path / "here")
    assert features[0].tobytes() == features_here[0].tobytes()
    assert features[1] == features_here[1]


def utterances(probed: pl.DataFrame) -> Utterances:
    usable = probed.filter(pl.col("problem").is_null())
    names = [Path(audio).stem for audio in usable["audio"]]
    columns = {"utterance_id": names, "corpus": "c", "split": "train", "speaker": "s"}
    given = usable.select("audio", "audio_sha256", "duration_seconds", "sample_rate_hz")
    return Utterances.check(pl.DataFrame(columns).hstack(given), ("awe", "calm"))


@pytest.mark.usefixtures("on_cluster")
def test_an_error_of_the_work_is_the_same_one_line() -> None:
    with pytest.raises(UserError) as caught:
        list(map_batches(refuse, [[7]], 1))
    assert str(caught.value) == "7 is not wanted; remove it"


@pytest.mark.usefixtures("on_cluster")
def test_a_batch_whose_worker_is_killed_runs_again(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in "abc"]
    assert list(map_batches(kill_itself_once, [[name] for name in names], 1)) == [[name] for name in names]


def test_no_cluster_at_the_address_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADDRESS, "no address")
    with pytest.raises(
        OutageError, match=r"the Ray cluster at no address \(AMBIVOX_RAY_ADDRESS\) cannot be used"
    ):
        list(map_batches(where, [[1]], 1))

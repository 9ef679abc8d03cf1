"""Audio on S3, from a real (local) server found by AWS_ENDPOINT_URL: decoded, probed, remembered, missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
import soundfile

import ambivox.models.audio.decoding
import ambivox.models.audio.probing
import ambivox.models.object_store
from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.decoding import decode, decode_many
from ambivox.models.audio.probing import probe
from ambivox.models.corpora.table import load
from ambivox.models.errors import UserError
from ambivox.models.ingestion.ingest import ingest

pytestmark = pytest.mark.server


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket of its own on a server of its own."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name, value in [
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ]:
        monkeypatch.setenv(name, value)
    ambivox.models.object_store._client.cache_clear()
    boto3.client("s3").create_bucket(Bucket="speech")
    yield "speech"
    ambivox.models.object_store._client.cache_clear()
    server.stop()


def upload(bucket: str, folder: Path, name: str, seconds: float) -> tuple[str, np.ndarray]:
    """A file and its copy on S3."""
    samples = (
        np.random.default_rng(len(name)).normal(scale=0.1, size=int(16_000 * seconds)).astype(np.float32)
    )
    soundfile.write(folder / name, samples, 16_000, subtype="FLOAT" if name.endswith("wav") else None)
    boto3.client("s3").upload_file(str(folder / name), bucket, f"audio/{name}")
    return f"s3://{bucket}/audio/{name}", samples


def test_s3_is_as_good_as_a_disk(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, samples = upload(bucket, tmp_path, "a.wav", 0.5)
    flac, _ = upload(bucket, tmp_path, "bb.flac", 1.0)
    absent = f"s3://{bucket}/audio/absent.wav"
    np.testing.assert_array_equal(decode(url), samples)
    np.testing.assert_array_equal(decode(flac), decode(str(tmp_path / "bb.flac")))
    with pytest.raises(AudioError) as caught:
        decode(absent)
    assert caught.value.reason == "missing"
    assert [isinstance(result, AudioError) for _, result in decode_many([url, absent, flac])] == [
        False,
        True,
        False,
    ]

    cache = tmp_path / "cache.sqlite"
    probed = probe([url, absent, flac], cache)
    there = probe([str(tmp_path / "a.wav"), str(tmp_path / "bb.flac")], cache)
    columns = ["audio_sha256", "duration_seconds", "sample_rate_hz", "channels"]
    assert probed[[0, 2]].select(columns).equals(there.select(columns))
    assert probed["problem"].to_list() == [None, "missing", None]
    examined: list[str] = []
    real = ambivox.models.audio.probing._examine
    monkeypatch.setattr(
        ambivox.models.audio.probing,
        "_examine",
        lambda name, clips: (examined.append(name), real(name, clips))[1],
    )
    assert probe([url, absent, flac], cache).equals(probed)
    assert examined == [absent]


def test_a_table_may_point_to_s3(bucket: str, tmp_path: Path) -> None:
    url, _ = upload(bucket, tmp_path, "a.wav", 0.5)
    (tmp_path / "utterances.csv").write_text(f"utterance_id,audio,split\na,{url},train\nb,a.wav,test\n")
    (tmp_path / "votes.csv").write_text("utterance_id,label\na,anger\nb,neutral\n")
    ingested = ingest(load(tmp_path), "table", cache=tmp_path / "cache.sqlite")
    assert ingested.utterances.frame["audio"].to_list() == [url, str(tmp_path / "a.wav")]
    assert ingested.utterances.frame["audio_sha256"].n_unique() == 1


def test_a_server_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for request in (
        lambda: decode("s3://speech/a.wav"),
        lambda: probe(["s3://speech/a.wav"], tmp_path / "cache.sqlite"),
    ):
        with pytest.raises(UserError, match="check AWS_ENDPOINT_URL") as caught:
            request()
        assert not isinstance(caught.value, AudioError)

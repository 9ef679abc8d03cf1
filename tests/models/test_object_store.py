"""The S3 client against a local server: every operation, what is missing or denied, retries, and messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ambivox.models.object_store
from ambivox.models.audio.audio_error import AudioError
from ambivox.models.audio.opening import open_audio
from ambivox.models.object_store import (
    ObjectStoreError,
    StoredObject,
    delete_object,
    download_object,
    is_object_url,
    list_objects,
    object_info,
    read_object,
    write_object,
)
from tests.support.s3_server import BUCKET, FlakyS3

ROOT = f"s3://{BUCKET}"


@pytest.fixture
def server(s3: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 server that AWS_ENDPOINT_URL names."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    ambivox.models.object_store._client.cache_clear()
    yield s3
    ambivox.models.object_store._client.cache_clear()


def test_only_s3_urls_are_object_urls() -> None:
    assert is_object_url(f"{ROOT}/a.wav")
    assert not is_object_url("/audio/s3://a.wav")


@pytest.mark.server
def test_objects_are_written_read_listed_and_downloaded(server: str, tmp_path: Path) -> None:
    contents = {f"votes/{name}": name.encode() * 3 for name in ("b", "a", "c d é")}
    for key, content in contents.items():
        write_object(f"{ROOT}/{key}", content)
    write_object(f"{ROOT}/other", b"x")
    for key, content in contents.items():
        assert read_object(f"{ROOT}/{key}") == content
    listed = list_objects(f"{ROOT}/votes/")
    assert [entry.url for entry in listed] == sorted(f"{ROOT}/{key}" for key in contents)
    assert [entry.size for entry in listed] == [3, 3, len("c d é".encode()) * 3]
    assert object_info(listed[0].url) == listed[0]
    assert list_objects(f"{ROOT}/nothing/") == []
    download_object(listed[0].url, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"aaa"


@pytest.mark.server
def test_a_deleted_object_is_gone_and_a_missing_one_is_no_error(server: str) -> None:
    write_object(f"s3://{BUCKET}/deleted/a", b"a")
    write_object(f"s3://{BUCKET}/deleted/b", b"b")
    for _ in range(2):
        delete_object(f"s3://{BUCKET}/deleted/a")
    assert [entry.url for entry in list_objects(f"s3://{BUCKET}/deleted/")] == [f"s3://{BUCKET}/deleted/b"]
    with pytest.raises(FileNotFoundError):
        delete_object("s3://no-such-bucket/a")


def test_a_changed_object_has_another_tag(server: str) -> None:
    def info(content: bytes) -> StoredObject:
        write_object(f"{ROOT}/a", content)
        return object_info(f"{ROOT}/a")

    first, second = info(b"first"), info(b"other")
    assert first.etag != second.etag
    assert first.modified_ns <= second.modified_ns
    assert read_object(f"{ROOT}/a") == b"other"


@pytest.mark.server
def test_a_list_of_several_pages_is_complete(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    for number in range(5):
        write_object(f"{ROOT}/pages/{number}", b"")
    assert len(list_objects(f"{ROOT}/pages/")) == 5


def requests(url: str, folder: Path) -> list[Callable[[], object]]:
    """Every request for the content or metadata of one object."""
    return [
        lambda: read_object(url),
        lambda: object_info(url),
        lambda: download_object(url, folder / "downloaded"),
    ]


@pytest.mark.server
@pytest.mark.parametrize(
    "url",
    [
        f"{ROOT}/absent", "s3://no-such-bucket/a", "s3://", "s3:///a", f"{ROOT}/", ROOT, "s3://a b/c", "s3://*/x",
        f"{ROOT}/{'x' * 5000}",
    ],
    ids=lambda url: url[:30],
)  # fmt: skip
def test_a_missing_object_is_a_missing_file(server: str, tmp_path: Path, url: str) -> None:
    for request in requests(url, tmp_path):
        with pytest.raises(FileNotFoundError, match="no such object"):
            request()
    assert not (tmp_path / "downloaded").exists()
    with pytest.raises(AudioError) as caught:
        open_audio(url)
    assert caught.value.reason == "missing"


@pytest.mark.server
def test_denied_access_is_a_permission_error(flaky_s3: FlakyS3, tmp_path: Path) -> None:
    flaky_s3.trouble = lambda _: "403"
    url = f"{ROOT}/private"
    for request in [
        *requests(url, tmp_path),
        lambda: write_object(url, b"x"),
        lambda: list_objects(f"{ROOT}/"),
    ]:
        with pytest.raises(PermissionError, match="access denied"):
            request()
    with pytest.raises(AudioError) as caught:
        open_audio(url)
    assert caught.value.reason == "unreadable"


@pytest.mark.server
def test_content_that_breaks_off_is_read_again(flaky_s3: FlakyS3, tmp_path: Path) -> None:
    url, content = f"{ROOT}/a", bytes(range(256)) * 40
    write_object(url, content)
    for times in (1, 3):
        flaky_s3.seen.clear()
        flaky_s3.trouble = lambda number, times=times: "cut" if number <= times else ""  # type: ignore[misc]
        assert read_object(url) == content
        assert flaky_s3.seen == ["cut"] * times + [""]
    flaky_s3.trouble = lambda _: "cut"
    with pytest.raises(ObjectStoreError, match=f"{url}: ") as caught:
        read_object(url)
    assert "\n" not in str(caught.value)


@pytest.mark.server
def test_a_busy_server_is_asked_again(flaky_s3: FlakyS3) -> None:
    flaky_s3.trouble = lambda number: "503" if number % 2 else ""
    write_object(f"{ROOT}/a", b"content")
    assert read_object(f"{ROOT}/a") == b"content"


def test_a_server_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in [
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ]:
        monkeypatch.setenv(name, value)
    url = "s3://speech/a"
    for request in [
        *requests(url, tmp_path),
        lambda: write_object(url, b"x"),
        lambda: list_objects("s3://speech/"),
        lambda: open_audio(url),
    ]:
        with pytest.raises(ObjectStoreError, match="check AWS_ENDPOINT_URL and the credentials") as caught:
            request()
        assert "\n" not in str(caught.value)


def test_credentials_that_change_are_used(flaky_s3: FlakyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    write_object(f"s3://{BUCKET}/a", b"x")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(ObjectStoreError, match="Unable to locate credentials"):
        read_object(f"s3://{BUCKET}/a")


def test_an_endpoint_that_is_no_url_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not a url")
    with pytest.raises(ObjectStoreError, match=r"s3://speech/a: .*check AWS_ENDPOINT_URL") as caught:
        read_object("s3://speech/a")
    assert "\n" not in str(caught.value)

"""Proxies and certificates in the environment: what no HTTP client can use is one line, and what can be used is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from ambivox.models.errors import UserError
from ambivox.models.http_environment import check_http_environment

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks://127.0.0.1:7891"),
        ("all_proxy", "socks5://me:secret@127.0.0.1:1080"),
        ("ALL_PROXY", "::::"),
        ("http_proxy", "http://[::1"),
        ("HTTPS_PROXY", "htps://proxy:3128"),
        ("HTTPS_PROXY", " http://proxy:3128"),
        ("HTTP_PROXY", "http://ü..x:1"),
        ("NO_PROXY", "localhost,[::1]:80"),
        ("no_proxy", "[::1"),
        ("SSL_CERT_FILE", "/nowhere/bundle.pem"),
        ("SSL_CERT_FILE", "a file without certificates"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value.startswith("a file"):
        (tmp_path / "bundle.pem").write_text("no certificate")
        value = str(tmp_path / "bundle.pem")
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError) as caught:
        check_http_environment()
    message = str(caught.value)
    assert message.startswith(f"{name}=")
    assert "unset" in message and "\n" not in message and "secret" not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PROXY", ""),
        ("http_proxy", "proxy:3128"),
        ("HTTPS_PROXY", "http://me:secret@proxy:3128/"),
        ("NO_PROXY", "localhost,127.0.0.1,::1,10.0.0.0/8,.corp.example,*.local"),
        ("NO_PROXY", "*"),
        ("SSL_CERT_DIR", "/nowhere"),
    ],
)
def test_what_can_be_used_is_taken(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    check_http_environment()

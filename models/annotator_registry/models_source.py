"""Hosted ALMs in a provider's list of models (``GET URL/models`` of an OpenAI-compatible API).

``models:URL`` offers the models that take audio: those whose entry lists audio among its inputs; where entries say
nothing about inputs, those that models/alms/ knows at this address, and those with "audio" or "omni" in the name.
``models:URL,name=PATTERN`` offers the names that match instead, such as ``name=gemini-*``;
``prices=TEXT/AUDIO/OUTPUT`` gives prices (US dollars per million tokens) where neither the list nor models/alms/ has any.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import Any

from ambivox.models.alms import HOSTED_PREFIX, alms
from ambivox.models.annotator_registry.candidate import Candidate, SourceError
from ambivox.models.engines._bounded_http import (
    InvalidResponseError,
    api_key,
    check_address,
    request,
    shown_address,
)
from ambivox.models.engines._retry import BackOff, Retries, TransientError, failure, is_transient
from ambivox.models.errors import OutageError, UserError
from ambivox.models.http_environment import check_http_environment
from ambivox.models.http_total_time import client_with_key

_log = logging.getLogger(__name__)
PREFIX = "models:"
_PARTS = {"name", "prices"}
_NAME = re.compile(r"[\w.:/@-]{1,200}")
_HEARING_NAMES = re.compile(r"audio|omni", re.IGNORECASE)
# What providers call the day from which a model is no longer served.
_SHUTDOWN_FIELDS = ("expiration_date", "shutdown_date", "retirement_date", "deprecation_date", "deprecation")
_BACK_OFF = BackOff(0.5, 5.0)
_MILLION = 1e6


def list_models(source: str, timeout_seconds: float) -> Iterator[Candidate]:
    """Every hosted ALM that a provider lists and still serves.

    Args:
        source: ``models:URL``, with ``,name=PATTERN`` and ``,prices=TEXT/AUDIO/OUTPUT`` where wanted.
        timeout_seconds: How long the provider may take.

    Raises:
        UserError: ``source`` is malformed, or the API key is refused.
        SourceError: The provider did not answer, or sent something other than a list of models.
    """
    url, *parts = source.removeprefix(PREFIX).split(",")
    url = check_address(url)
    query = dict(part.partition("=")[::2] for part in parts)
    if set(query) - _PARTS or not all(query.values()):
        raise UserError(f"{source!r}: expected name=PATTERN or prices=TEXT/AUDIO/OUTPUT after the address")
    given = _given_prices(source, query.get("prices", ""))
    known = {
        alm.hosted.model: key for key, alm in alms().items() if alm.hosted and alm.hosted.base_url == url
    }
    for entry in _entries(url, timeout_seconds):
        name = str(entry.get("id", "")).removeprefix("models/")  # as Google prefixes its names
        if not _NAME.fullmatch(name):
            _log.warning("%s lists a model whose name cannot be used: %r", shown_address(url), name[:80])
            continue
        shutdown = _shutdown(entry)
        is_gone = shutdown is not None and shutdown <= datetime.now(UTC).date()
        pattern = query.get("name")
        takes_audio = _takes_audio(entry, name, known) if pattern is None else fnmatchcase(name, pattern)
        if is_gone or not takes_audio:
            continue
        alm = known.get(name, f"{HOSTED_PREFIX}{name}")
        created = entry.get("created")
        version = f"{name}@{created}" if isinstance(created, int) and not isinstance(created, bool) else name
        prices = () if name in known else given or _listed_prices(entry)
        day = "" if shutdown is None else shutdown.isoformat()
        yield Candidate(alm, version, source, alm, url, prices, day)


def _entries(url: str, timeout_seconds: float) -> list[Mapping[str, Any]]:
    variables = {
        alm.hosted.key_variable for alm in alms().values() if alm.hosted and alm.hosted.base_url == url
    }
    variable = min(variables, default="AMBIVOX_SERVER_KEY")
    key = api_key(variable)
    check_http_environment()
    place = f"{shown_address(url)}/models"

    def attempt() -> list[Mapping[str, Any]]:
        response = request(client, f"{url}/models", seconds=timeout_seconds)
        if response.status == 200:
            return _parsed(response.json())
        reason = failure(response, response.text, key)
        if is_transient(response.status):
            raise TransientError(reason)
        if response.status in (401, 403):
            raise UserError(f"{place}: the API key is refused ({reason}); check {variable}")
        raise SourceError(f"{place}: {reason}")

    with client_with_key(key) as client:
        try:
            return Retries(place, key, timeout_seconds, _BACK_OFF).until_success(attempt)
        except OutageError as error:
            raise SourceError(str(error)) from error


def _parsed(content: Any) -> list[Mapping[str, Any]]:
    entries = content.get("data") if isinstance(content, Mapping) else None
    if not isinstance(entries, list):
        raise InvalidResponseError("not a list of models")
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _takes_audio(entry: Mapping[str, Any], name: str, known: Mapping[str, str]) -> bool:
    architecture = entry.get("architecture")
    described = architecture if isinstance(architecture, Mapping) else entry
    inputs = described.get("input_modalities")
    if isinstance(inputs, list):
        return "audio" in inputs
    capabilities = entry.get("capabilities")
    if isinstance(capabilities, Mapping) and isinstance(capabilities.get("audio"), bool):
        return bool(capabilities["audio"])
    return name in known or bool(_HEARING_NAMES.search(name))


def _listed_prices(entry: Mapping[str, Any]) -> tuple[float, ...]:
    """Prices per million tokens from a list that has them per token, as text; empty where one is missing."""
    pricing = entry.get("pricing")
    if not isinstance(pricing, Mapping):
        return ()
    try:
        text, output = float(pricing["prompt"]), float(pricing["completion"])
        audio = float(pricing.get("audio", text))
    except (KeyError, TypeError, ValueError, OverflowError):
        return ()
    prices = (text, audio, output)
    return tuple(round(price * _MILLION, 6) for price in prices) if all(0 <= p < 1 for p in prices) else ()


def _given_prices(source: str, text: str) -> tuple[float, ...]:
    try:
        prices = tuple(float(number) for number in text.split("/")) if text else ()
    except ValueError:
        prices = (-1.0,)
    if len(prices) not in (0, 3) or not all(0 <= price < _MILLION for price in prices):
        raise UserError(f"{source!r}: prices: expected TEXT/AUDIO/OUTPUT, such as 0.3/1/2.5, found {text!r}")
    return prices


def _shutdown(entry: Mapping[str, Any]) -> date | None:
    """The day that an entry names, as ISO text or seconds since 1970; None where it names none that can be read."""
    for value in (entry.get(name) for name in _SHUTDOWN_FIELDS):
        try:
            if isinstance(value, str) and value:
                return datetime.fromisoformat(value).date()
            if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
                return datetime.fromtimestamp(value, UTC).date()
        except (ValueError, OverflowError, OSError):
            continue
    return None

"""Inputs made from valid ones: bytes are changed, cut and repeated; values of JSON and cells by awkward ones."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.fuzzing.table_mutation import changed_table

_AWKWARD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, 10**400, 1e308, float("inf"), float("-inf"), float("nan"), "", " ", "\0", "\ud800",
    "x" * 5000, "../../x", "=1+1", "\u202e", [], {}, [[]], [None], {"": None}, [1, "a", None], {"a": {"b": []}}, "1e999",
    "[" * 3000, "{" * 3000,
)  # fmt: skip
_AWKWARD_BYTES: tuple[bytes, ...] = (
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\n", b"\n\n", b'"', b"'", b",", b";", b"\t", b"|", b"{", b"}",
    b"[" * 2000, b'{"a":' * 2000, b"[[" * 500, b"]", b"1e400", b"NaN", b"-Infinity", b"9" * 400, b"\xed\xa0\x80", b"\x1b[31m", b"=cmd()",
    b"&a [*a]", b"!!python/object:os.system", b"${x}", b"%s", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f",
    b"RIFF", b"PAR1", b"PK\x03\x04", b"null", b"true", b"-1", b"inf", b"---\n", b"# \n", b"<<: *x", b"\xe2\x80\xae",
)  # fmt: skip
_MOST_BYTES = 60_000


def mutate(seed: bytes, rng: random.Random) -> bytes:
    """One to six changes of a valid input, some of them of its JSON where it is JSON, or of its cells where it is a table."""
    if rng.random() < 0.5:
        try:
            changed = _changed_value(json.loads(seed), rng)
            seed = json.dumps(changed).encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError):
            pass
        else:
            if rng.random() < 0.8:
                return seed[:_MOST_BYTES]
    elif (table := changed_table(seed, rng)) is not None:
        if rng.random() < 0.8:
            return table[:_MOST_BYTES]
        seed = table
    content = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        _change(content, rng)
    return bytes(content[:_MOST_BYTES])


def _change(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content) + 1)
    length = min(rng.choice((1, 1, 2, 4, 8, 30, 200)), len(content) - start)
    kind = rng.randrange(7)
    if kind == 0:
        content[start : start + length] = rng.randbytes(length)
    elif kind == 1:
        content[start:start] = rng.choice(_AWKWARD_BYTES)
    elif kind == 2:
        content[start : start + length] = rng.choice(_AWKWARD_BYTES)
    elif kind == 3:
        del content[start : start + length]
    elif kind == 4:
        del content[start:]
    elif kind == 5:
        content[start:start] = content[start : start + length] * rng.choice((1, 2, 20))
    elif start < len(content):
        content[start] ^= 1 << rng.randrange(8)


def _changed_value(value: Any, rng: random.Random) -> Any:
    """The value with some of its parts replaced, removed or repeated."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        value = _changed_once(value, rng)
    return value


def _changed_once(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        chance = rng.random()
        if chance < 0.15:
            return {name: each for name, each in value.items() if name != key}
        if chance < 0.25:
            return {("" if name == key else name): each for name, each in value.items()}
        return {**value, key: _changed_once(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        place = rng.randrange(len(value))
        chance = rng.random()
        if chance < 0.15:
            return value[:place] + value[place + 1 :]
        if chance < 0.25:
            return value + [value[place]] * rng.choice((1, 3))
        return [*value[:place], _changed_once(value[place], rng), *value[place + 1 :]]
    if isinstance(value, str) and rng.random() < 0.4:
        content = bytearray(value.encode("utf-8", "surrogatepass"))
        _change(content, rng)
        return content.decode("utf-8", "replace")
    return rng.choice(_AWKWARD_VALUES)

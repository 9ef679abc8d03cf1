"""Changing a YAML file without moving its comments.

ruamel.yaml keeps a comment with the value before it: the lines above ``pretrain:`` belong to the last value of the
section above. Appending to or removing from that section would take them along; here they stay above the same key.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# Where ruamel.yaml keeps the comment after a value: of a mapping and of a sequence.
_AFTER_KEY, _AFTER_ITEM = 2, 0


def put(mapping: Any, key: str, value: Any) -> None:
    """Set a key; a new one comes last."""
    value = _with_comments(value)
    if key in mapping or not mapping:
        mapping[key] = value
        return
    comment = _take_comment_below(mapping)
    mapping[key] = value
    _put_comment_below(mapping, comment)


def remove(parent: Any, name: str, key: str) -> None:
    """Remove a key of the mapping ``parent[name]``, where it is there; the comments below it stay."""
    mapping = parent[name]
    if key not in mapping:
        return
    names = list(mapping)
    position = names.index(key)
    comment = _take_comment_below(mapping, key)
    del mapping[key]
    mapping.ca.items.pop(key, None)
    if not mapping:
        mapping.fa.set_flow_style()
    if not comment:
        return
    if not mapping:
        _put_comment_below(parent, comment, name)
    elif position:
        _put_comment_below(mapping, comment, names[position - 1])
    else:
        text = "\n".join(
            line.strip().removeprefix("#").removeprefix(" ") for line in comment.strip().splitlines()
        )
        mapping.yaml_set_comment_before_after_key(names[1], before=text, indent=int(mapping.lc.col))


def extend(sequence: Any, values: Iterable[Any]) -> None:
    """Append the values that are not there yet."""
    new = [value for value in values if value not in sequence]
    comment = _take_comment_below(sequence) if new and sequence and _is_block(sequence) else ""
    sequence.extend(new)
    _put_comment_below(sequence, comment)


def _is_block(value: Any) -> bool:
    """Whether a value has lines of its own, so that the comment below belongs to its last one."""
    return (
        isinstance(value, dict | list)
        and bool(value)
        and not (hasattr(value, "fa") and value.fa.flow_style())
    )


def _last(container: Any, key: Any = None) -> tuple[Any, Any]:
    """The innermost container and key of the last value of a container, or of the one below ``key``."""
    if key is None:
        key = len(container) - 1 if isinstance(container, list) else list(container)[-1]
    while _is_block(container[key]):
        container = container[key]
        key = len(container) - 1 if isinstance(container, list) else list(container)[-1]
    return container, key


def _take_comment_below(container: Any, key: Any = None) -> str:
    """Cut off the lines of comment below the last value; a comment on its own line stays with it."""
    container, key = _last(container, key)
    tokens = container.ca.items.get(key) if hasattr(container, "ca") else None
    slot = _AFTER_ITEM if isinstance(container, list) else _AFTER_KEY
    token = tokens[slot] if tokens and len(tokens) > slot else None
    if token is None or isinstance(token, list):
        return ""
    same_line, _, below = token.value.partition("\n")
    token.value = same_line + "\n"
    return str(below)


def _put_comment_below(container: Any, comment: str, key: Any = None) -> None:
    from ruamel.yaml.error import CommentMark
    from ruamel.yaml.tokens import CommentToken

    if not comment:
        return
    container, key = _last(container, key)
    if not hasattr(container, "ca"):
        return
    is_list = isinstance(container, list)
    tokens = container.ca.items.setdefault(key, [None, None] if is_list else [None, None, None, None])
    slot = _AFTER_ITEM if is_list else _AFTER_KEY
    token = tokens[slot]
    if token is None:
        tokens[slot] = CommentToken("\n" + comment, CommentMark(0), None)
    else:
        token.value = token.value.rstrip("\n") + "\n" + comment


def _with_comments(value: Any) -> Any:
    """Mappings and lists as ruamel.yaml's own, which comments can be attached to."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq

    if isinstance(value, dict) and not isinstance(value, CommentedMap):
        return CommentedMap({name: _with_comments(item) for name, item in value.items()})
    if isinstance(value, list | tuple) and not isinstance(value, CommentedSeq):
        return CommentedSeq([_with_comments(item) for item in value])
    return value

"""What servers say about themselves: the owner of their models, header fields, and paths that only one of them has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ambivox.models.engines._bounded_http import InvalidResponseError, Response, dicts_in, first_words
from ambivox.models.engines._reply_content import REDACTED, REPLACED

VLLM = "vLLM"
# Names of servers that nothing tells more about.
COMPATIBLE = "an OpenAI-compatible server"
FASTAPI = "a server such as SGLang, LiteLLM, or a vLLM whose /tokenize is not let through"
UNKNOWN = "an unknown server"
# Such as the path of a folder.
_LONGEST_NAME = 4096
# The owner that a server's list of models names.
_OWNERS = {
    "vllm": VLLM,
    "sglang": "SGLang",
    "llamacpp": "llama.cpp",
    "library": "Ollama",
    "organization_owner": "LM Studio",
    "lmdeploy": "LMDeploy",
    "xinference": "Xinference",
    "koboldcpp": "KoboldCpp",
    "openai": "OpenAI",
    "system": "OpenAI",
}


def model_entries(reply: Response | None) -> list[dict[str, Any]]:
    """The models of a list of models.

    Args:
        reply: what ``/models`` answered; None where it did not.

    Returns:
        The entries that have an id which can be sent and stored; none where this is no list of models.
    """
    content = _json(reply)
    entries = content.get("data") if isinstance(content, dict) else None
    if reply is None or reply.status != 200 or not isinstance(entries, list):
        return []
    return [entry for entry in dicts_in(entries) if _is_name(entry.get("id"))]


def name_by_owner(reply: Response | None) -> str:
    """The name of the server by the owner of its models; "" where the owner tells nothing.

    Args:
        reply: what ``/models`` answered; None where it did not.
    """
    owners = [str(entry.get("owned_by", "")).lower() for entry in model_entries(reply)]
    return next((_OWNERS[owner] for owner in owners if owner in _OWNERS), "")


def name_by_marks(replies: Mapping[str, Response], host: str) -> str:
    """The name of a server that its list of models does not give; "" where nothing tells it.

    Args:
        replies: what it answered, by path.
        host: of its address.
    """
    text = "\n".join(reply.text[:4000] for reply in replies.values())
    fields = " ".join(
        f"{name}:{value}" for reply in replies.values() for name, value in reply.headers.items()
    )
    answers = {
        path: content for path in replies if isinstance(content := json_of_success(replies[path]), dict)
    }
    page = next(
        (reply for path, reply in replies.items() if path in {"", "/"} or "html" in _type(reply)), None
    )
    marks = (
        ("LiteLLM", "x-litellm" in fields or "litellm_version" in answers.get("/health/readiness", {})),
        (
            "llama.cpp",
            "server:llama.cpp" in fields.lower()
            or "default_generation_settings" in answers.get("/props", {})
            or ("File Not Found" in text and "not_found_error" in text),
        ),
        ("LM Studio", "Unexpected endpoint or method" in text),
        ("text-generation-inference", "max_total_tokens" in answers.get("/info", {})),
        (
            "SGLang",
            bool(
                answers.get("/server_info", {}).keys() & {"tp_size", "mem_fraction_static", "internal_states"}
            ),
        ),
        ("OpenAI", host == "api.openai.com" or "Invalid URL (" in text),
        ("Ollama", "Ollama is running" in text or "404 page not found" in text or "/api/version" in answers),
        ("a web page", page is not None and ("html" in _type(page) or page.text.lstrip().startswith("<"))),
        (FASTAPI, '{"detail":"Not Found"}' in text.replace('": "', '":"')),
    )
    return next((name for name, is_marked in marks if is_marked), "")


def reported_version(replies: Mapping[str, Response]) -> str:
    """The version that a server reports, at most 40 characters; "" where it reports none.

    Args:
        replies: what it answered, by path.
    """
    for path in ("/version", "/api/version", "/health/readiness"):
        content = json_of_success(replies.get(path))
        version = (
            content.get("version", content.get("litellm_version")) if isinstance(content, dict) else None
        )
        if isinstance(version, str):
            return first_words(version)[:40]
    return ""


def refusal(reply: Response, key: str) -> str:
    """What a server answered in place of a list of models, in one line.

    Args:
        reply: the answer.
        key: the API key, which is not repeated.
    """
    if not reply.status:
        return "no answer"
    words = first_words(reply.text, key)
    return f"status {reply.status}{f': {words}' if words else ''}"


def json_of_success(reply: Response | None) -> Any:
    """The JSON of an answer with status 200; None for any other, and where it is no JSON.

    Args:
        reply: the answer; None where there was none.
    """
    return _json(reply) if reply is not None and reply.status == 200 else None


def _is_name(value: Any) -> bool:
    """Whether a server can be asked for a model of this name: what was replaced in it is not the server's name for it."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_NAME
        and REPLACED not in value
        and REDACTED not in value
    )


def _type(reply: Response) -> str:
    return reply.headers.get("content-type", "")


def _json(reply: Response | None) -> Any:
    try:
        return reply.json() if reply is not None else None
    except InvalidResponseError:
        return None

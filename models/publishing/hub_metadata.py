"""What a card says to the model hub in its YAML header: licence, languages, size, and the columns of its tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ambivox.models.errors import UserError

#: Licences that the hub knows by these names and that allow passing the content on.
OPEN_LICENCES = frozenset(
    {
        *(
            "apache-2.0",
            "cdla-permissive-1.0",
            "cdla-permissive-2.0",
            "cdla-sharing-1.0",
            "mit",
            "odbl",
            "odc-by",
            "pddl",
        ),
        *(
            "cc0-1.0",
            "cc-by-2.0",
            "cc-by-2.5",
            "cc-by-3.0",
            "cc-by-4.0",
            "cc-by-nd-4.0",
            "cc-by-sa-3.0",
            "cc-by-sa-4.0",
        ),
        *("cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0"),
    }
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
#: Other spellings of licences, in lower case with hyphens.
_SPELLINGS = {
    "odbl-1.0": "odbl",
    "odc-odbl": "odbl",
    "odc-by-1.0": "odc-by",
    "pddl-1.0": "pddl",
    "cc0": "cc0-1.0",
    "mit-license": "mit",
    "apache-license-2.0": "apache-2.0",
}


def licence_id(licence: str) -> str | None:
    """The hub's name of an open licence; None for other terms.

    Args:
        licence: the terms, such as ``CC BY 4.0``.

    Example:
        >>> licence_id("CC BY-NC 4.0"), licence_id("ODbL 1.0"), licence_id("on request")
        ('cc-by-nc-4.0', 'odbl', None)
    """
    name = re.sub(r"[\s_-]+", "-", licence.strip().lower())
    name = _SPELLINGS.get(name, name)
    return name if name in OPEN_LICENCES else None


def licence_fields(licence: str) -> dict[str, Any]:
    """The licence in a card's header: the hub's name, or ``other`` with the terms.

    Args:
        licence: the terms.
    """
    known = licence_id(licence)
    return {"license": known} if known else {"license": "other", "license_name": licence}


def check_may_include(content: Iterable[str], licence: str) -> None:
    """Check that the terms allow publishing the corpus's own recordings or transcripts.

    Args:
        content: what is to be published with the distributions; transcripts and audio need a licence.
        licence: the terms that were given for the release.

    Raises:
        UserError: The terms are no licence that is known to allow it.
    """
    if (names := [name for name in content if name in ("transcripts", "audio")]) and licence_id(
        licence
    ) is None:
        raise UserError(
            f"found the licence {licence!r}, which is not known to allow passing {' and '.join(names)} on; give the "
            "licence of the corpus by --licence, such as cc-by-4.0, odbl or cc0-1.0, if it allows that"
        )


def size_category(rows: int) -> str:
    """The hub's category of a dataset's size.

    Example:
        >>> size_category(999), size_category(1000)
        ('n<1K', '1K<n<10K')
    """
    return next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")


def features_list(features: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The columns of a table as a card's header lists them.

    Args:
        features: the columns, as ``datasets.Features.to_dict`` describes them.

    Returns:
        The same as the lists of ``datasets.Features``.

    Example:
        >>> features_list({"distribution": {"feature": {"dtype": "float64", "_type": "Value"}, "_type": "List"}})
        [{'name': 'distribution', 'list': 'float64'}]
    """
    return [{"name": name} | _column(feature) for name, feature in features.items()]


def _column(feature: Mapping[str, Any]) -> dict[str, Any]:
    match feature.get("_type"):
        case "Value":
            return {"dtype": feature["dtype"]}
        case "Audio":
            return {"dtype": "audio"}
        case "ClassLabel":
            names = {str(code): label for code, label in enumerate(feature["names"])}
            return {"dtype": {"class_label": {"names": names}}}
        case "List":
            inner = feature["feature"]
            return {"list": inner["dtype"] if inner.get("_type") == "Value" else _inner(inner)}
        case _:
            return {"struct": _inner(feature)}


def _inner(feature: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"name": name} | _column(value) for name, value in feature.items()]

"""Croissant (mlcommons.org/croissant, version 1.0): the metadata of a dataset as JSON-LD, which search engines index.

Every Parquet file is a file object, and every split of a table a record set, whose fields are the file's columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
# The beginning of a column's type -> what Croissant calls it; any other is text.
_DATA_TYPES = {"float": "sc:Float", "int": "sc:Integer", "uint": "sc:Integer", "bool": "sc:Boolean"}


def croissant(
    *,
    name: str,
    description: str,
    licence: str,
    url: str,
    version: str,
    date: str,
    citation: str,
    files: Mapping[str, str],
    tables: Mapping[str, tuple[Mapping[str, list[str]], Mapping[str, Any]]],
) -> dict[str, Any]:
    """Describe a dataset.

    Args:
        name: The dataset's name.
        description: What it is.
        licence: The terms.
        url: Where it is published.
        version: Its version, such as ``1.0.0``.
        date: When it was released, as YYYY-MM-DD.
        citation: How to cite it.
        files: SHA-256 of the Parquet files, by their paths.
        tables: By name the files of each split, and the columns as ``datasets.Features.to_dict`` describes them.

    Returns:
        JSON-LD.
    """
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": description,
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": licence,
        "url": url,
        "version": version,
        "datePublished": date,
        "citeAs": citation,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": path,
                "name": path,
                "contentUrl": path,
                "encodingFormat": "application/x-parquet",
                "sha256": digest,
            }
            for path, digest in files.items()
        ],
        "recordSet": [
            _record_set(_name_of(table, path, paths, split), path, features)
            for table, (splits, features) in tables.items()
            for split, paths in splits.items()
            for path in paths
        ],
    }


def full_version(version: str) -> str:
    """A release's version as Croissant writes it, with three numbers.

    Example:
        >>> full_version("v2"), full_version("v1.2")
        ('2.0.0', '1.2.0')
    """
    numbers = version.removeprefix("v").split(".")
    return ".".join([*numbers, "0", "0"][:3])


def _name_of(table: str, path: str, paths: list[str], split: str) -> str:
    """The name of a record set; files of a split that has several are numbered."""
    return f"{table}/{split}" + (f"/{paths.index(path)}" if len(paths) > 1 else "")


def _record_set(name: str, path: str, features: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [_field(f"{name}/{column}", column, path, feature) for column, feature in features.items()],
    }


def _field(identifier: str, column: str, path: str, feature: Mapping[str, Any]) -> dict[str, Any]:
    source = {"fileObject": {"@id": path}, "extract": {"column": column}}
    field = {"@type": "cr:Field", "@id": identifier, "name": column}
    is_list = feature.get("_type") == "List"
    inner = feature["feature"] if is_list else feature
    repeated = {"repeated": True} if is_list else {}
    if inner.get("_type") == "Audio":
        return field | {"dataType": "sc:AudioObject", "source": source | {"transform": {"jsonPath": "bytes"}}}
    if "_type" in inner:
        return field | repeated | {"dataType": _data_type(inner), "source": source}
    parts = [
        {
            "@type": "cr:Field",
            "@id": f"{identifier}/{part}",
            "name": part,
            "dataType": _data_type(value),
            "source": source | {"transform": {"jsonPath": part}},
        }
        for part, value in inner.items()
    ]
    return field | repeated | {"subField": parts}


def _data_type(feature: Mapping[str, Any]) -> str:
    dtype = "int64" if feature["_type"] == "ClassLabel" else str(feature["dtype"])
    return next((name for start, name in _DATA_TYPES.items() if dtype.startswith(start)), "sc:Text")

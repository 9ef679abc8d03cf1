"""The contract that every corpus file keeps, and a synthetic MSP-Podcast in its three formats."""

from __future__ import annotations

import importlib.util
import inspect
import typing
from pathlib import Path
from types import ModuleType

import pytest

import ambivox.models.corpora
from ambivox.models.corpora import check_options, keys, load_corpus
from ambivox.models.errors import UserError
from ambivox.models.ingestion.corpus import CorpusData, require_layout
from ambivox.models.ingestion.ingest import ingest
from ambivox.models.registry import find


@pytest.mark.parametrize("key", keys())
def test_a_corpus_says_what_it_is_and_types_its_options(key: str) -> None:
    module = find(ambivox.models.corpora, key, "corpus")
    text = (module.__doc__ or "").lower()
    for word in ("licence", "known defects", "row"):
        assert word in text, f"{key}'s docstring does not mention its {word}"
    signature = inspect.signature(module.load)
    hints = typing.get_type_hints(module.load)
    assert hints["return"] is CorpusData
    first, *options = signature.parameters.values()
    assert (first.name, hints["root"]) == ("root", Path)
    for option in options:
        assert option.kind is inspect.Parameter.KEYWORD_ONLY
        assert option.default is not inspect.Parameter.empty
        default = option.default
        as_text = ",".join(default) if isinstance(default, tuple) else str(default)
        if default is not None:
            assert check_options(module.load, {option.name: as_text}, key) == {option.name: default}
        assert f"{option.name}:" in (module.load.__doc__ or ""), f"{key}: {option.name} is not described"


# The demo corpus makes its folder.
@pytest.mark.parametrize("key", [key for key in keys() if key != "demo"])
def test_a_folder_that_is_not_there_is_a_user_s_mistake(key: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        load_corpus(key, tmp_path / "nowhere")


def test_layout_found_one_folder_too_deep_or_too_high(tmp_path: Path) -> None:
    root = tmp_path / "outer" / "corpus"
    (root / "Labels" / "inner").mkdir(parents=True)
    require_layout(root, ["Labels"], "X")
    for wrong in (root.parent, root / "Labels"):
        with pytest.raises(
            UserError, match=r"Labels is not here but in .*/outer/corpus; give that as --root"
        ):
            require_layout(wrong, ["Labels"], "X")
    with pytest.raises(UserError, match="not the root of X: Audio not found"):
        require_layout(root, ["Audio"], "X")


def benchmark() -> ModuleType:
    """benchmarks/ingest.py, which writes the large corpus."""
    spec = importlib.util.spec_from_file_location(
        "bench", Path(__file__).parents[3] / "benchmarks" / "ingest.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_three_formats_of_a_synthetic_corpus_give_the_same_tables(tmp_path: Path) -> None:
    bench = benchmark()
    root, cache = tmp_path / "corpus", tmp_path / "cache.sqlite"
    votes = bench.make_corpus(root, 2000)
    ingested = []
    for shape in bench.SHAPES:
        bench.reshape(root, shape)
        ingested.append(ingest(load_corpus("msp_podcast", root), "msp_podcast", cache=cache))
    for corpus in ingested:
        assert corpus.profile["votes"] == votes
        assert corpus.rejects.height == 0
        assert corpus.votes.frame.equals(ingested[0].votes.frame)
        assert corpus.utterances.frame.equals(ingested[0].utterances.frame)
        assert corpus.profile["straddling"]["speakers"] == 0

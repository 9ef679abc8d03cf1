"""A trained model as a folder for the hub: its weights, and a card with the hub's metadata and its evaluation results.

Both kinds of models are published: adapters with a distribution head (``finetune``), and the embedded ALM
(``pretrain``). Paths of the machine that trained them, and ids of utterances, stay behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ambivox.models.alms import alms
from ambivox.models.files import write_json
from ambivox.models.json_documents import read_json_document
from ambivox.models.output_places import MARKER
from ambivox.models.publishing.hub_metadata import licence_fields
from ambivox.models.reporting.estimates import display_name, parse_measure
from ambivox.models.reporting.measures import EXPLANATION, HEADINGS, format_measure
from ambivox.models.reporting.reading import Run
from ambivox.models.reporting.tables import markdown_table, plain_markdown
from ambivox.models.withdrawn import check_not_withdrawn

_CONTENT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_FINE_TUNED = "ambivox.json"
_ADAPTER = "adapter_config.json"
# Not of the model: ids of utterances, the marker of an output folder.
_LEFT_OUT = frozenset({"rejects.parquet", MARKER, "README.md"})
_EMBEDDED_TEXT = """# {name} {version}

A small audio-language model with the architecture of Qwen2-Audio, trained by Ambivox on human votes. It answers which
emotion listeners hear. transformers and vLLM load it like any model of that architecture;
`ambivox annotate --alm FOLDER` asks it with the prompts that it was trained on.
"""


@dataclass(frozen=True)
class TrainedModel:
    """A model's folder in a project.

    Attributes:
        folder: The folder.
        corpus: The corpus's key.
        name: ``alm``, or what the fine-tuned model was trained on, such as ``pooled-on``.
        is_fine_tuned: Whether it is an adapter with a head; otherwise it is the embedded ALM.
    """

    folder: Path
    corpus: str
    name: str
    is_fine_tuned: bool

    @property
    def key(self) -> str:
        """The name of its releases."""
        return f"{self.corpus}-{self.name}"

    @property
    def data(self) -> Path:
        """The corpus's folder."""
        return self.folder.parent.parent if self.is_fine_tuned else self.folder.parent


def find_model(folder: Path) -> TrainedModel | None:
    """The trained model in a folder of a project; None where it holds something else.

    Args:
        folder: ``data/<corpus>/finetuned/<name>`` or ``data/<corpus>/alm``.

    Raises:
        UserError: The model was fitted with data that was forgotten since.
    """
    is_fine_tuned = (folder / _FINE_TUNED).is_file() and (folder / _ADAPTER).is_file()
    if not is_fine_tuned and not (
        (folder / "config.json").is_file() and (folder / "training.json").is_file()
    ):
        return None
    check_not_withdrawn(folder)
    place = folder.resolve()
    corpus = place.parent.parent.name if is_fine_tuned else place.parent.name
    return TrainedModel(folder, corpus, place.name, is_fine_tuned)


def model_facts(model: TrainedModel, licence: str) -> dict[str, Any]:
    """What the card states, as JSON values.

    Args:
        model: The model.
        licence: The terms of its weights.

    Returns:
        The licence, the base model, and the metric row of the test speakers.
    """
    run = Run(model.data)
    rows = run.json("evaluation/metrics.json" if model.is_fine_tuned else "validation/metrics.json")
    row = rows.get(model.name if model.is_fine_tuned else "synthetic")
    facts: dict[str, Any] = {"licence": licence, "metrics": dict(row) if isinstance(row, Mapping) else {}}
    if base := _base_model(model):
        facts["base_model"] = base
    if run.utterances is not None:
        facts["labels"] = list(run.utterances.labels)
    return facts


def write_model(model: TrainedModel, version: str, facts: Mapping[str, Any], folder: Path) -> None:
    """Write the folder of a model.

    Args:
        model: The model.
        version: The version, such as v1.
        facts: What ``model_facts`` returned.
        folder: The folder to write to; it must exist.
    """
    for path in sorted(model.folder.iterdir()):
        if path.is_file() and path.name not in _LEFT_OUT:
            shutil.copyfile(path, folder / path.name)
    if model.is_fine_tuned:
        _remove_place(folder / _FINE_TUNED, "alm", facts)
        _remove_place(folder / _ADAPTER, "base_model_name_or_path", facts)
    (folder / "README.md").write_text(model_card(model, version, facts), encoding="utf-8")
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def model_card(model: TrainedModel, version: str, facts: Mapping[str, Any]) -> str:
    """The README.md of a model's repository: the hub's metadata, how to use the model, and its evaluation.

    Args:
        model: The model.
        version: The version, such as v1.
        facts: What ``model_facts`` returned.
    """
    from huggingface_hub import EvalResult, ModelCardData

    measures = facts["metrics"]
    results = [
        EvalResult(
            task_type="audio-classification",
            task_name="Speech emotion distributions",
            dataset_type=model.corpus,
            dataset_name=f"{model.corpus}, human votes of the test speakers",
            dataset_split="test",
            metric_type=measure,
            metric_name=display_name(measure),
            metric_value=estimate.value,
            metric_args={"low": estimate.low, "high": estimate.high, "level": 0.95}
            if estimate.low is not None
            else None,
        )
        for measure in HEADINGS
        if (estimate := parse_measure(measures, measure)) is not None
    ]
    base = facts.get("base_model")
    header = ModelCardData(
        model_name=f"{model.key} {version}",
        pipeline_tag="audio-classification",
        library_name="peft" if model.is_fine_tuned else "transformers",
        tags=["speech-emotion-recognition", "emotion-distributions", "ambivox"],
        base_model=base,
        base_model_relation="adapter" if base and model.is_fine_tuned else None,
        metrics=list(dict.fromkeys(result.metric_type for result in results)) or None,
        eval_results=results or None,
        **licence_fields(facts["licence"]),
    )
    readme = model.folder / "README.md"
    body = (
        readme.read_text(encoding="utf-8")
        if readme.is_file()
        else _EMBEDDED_TEXT.format(name=plain_markdown(model.key), version=version)
    )
    blocks = [f"---\n{header.to_yaml()}\n---", body.strip()]
    if results:
        row = [(display_name(name), format_measure(measures, name)) for name in HEADINGS]
        blocks += [
            "## Evaluation",
            f"Against human votes of the test speakers of {plain_markdown(model.corpus)}; 95% intervals over speakers.",
            markdown_table(("measure", "value"), row),
            EXPLANATION,
        ]
    return "\n\n".join(blocks) + "\n"


def _base_model(model: TrainedModel) -> str | None:
    """The published model that it was trained from; None where that is this project's own."""
    if not model.is_fine_tuned:
        tower = _json(model.folder / "training.json").get("audio_tower")
        return tower if isinstance(tower, str) and tower.count("/") == 1 else None
    card = _json(model.folder / _FINE_TUNED)
    names = (str(card.get("alm")), str(card.get("alm_name")))
    return next(
        (
            spec.checkpoint
            for key, spec in alms().items()
            if spec.checkpoint and (key in names or spec.checkpoint in names)
        ),
        None,
    )


def _remove_place(path: Path, key: str, facts: Mapping[str, Any]) -> None:
    """Replace where the base model was on the machine that trained by what it is called."""
    content = _json(path)
    given = str(content.get(key))
    if given not in alms():
        content[key] = facts.get("base_model") or Path(given).name
        write_json(path, content)


def _json(path: Path) -> dict[str, Any]:
    return read_json_document(path, _CONTENT, "what a training wrote", "train the model again")

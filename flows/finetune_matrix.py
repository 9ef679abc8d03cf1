"""The flow ``finetune_matrix``: fine-tunes every corpus x source x DiME-Aug setting, and publishes one table per corpus.

Cells that are up to date are not trained again; the cells of a corpus are independent stages of dvc.yaml.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run

from ambivox.flows import params_file, yaml_comments
from ambivox.flows.dashboard import read_metrics
from ambivox.flows.flow_decorator import flow
from ambivox.flows.reproduce import reproduce, thread_runner
from ambivox.models.errors import UserError
from ambivox.models.reporting.measures import rank

_FIGURES = ("nll", "squared_error", "js", "bc", "accuracy", "f1_macro", "ece")


def _run_name() -> str:
    return f"finetune-matrix {', '.join(flow_run.parameters.get('corpora') or ('of params.yaml',))}"


@flow(name="finetune-matrix", flow_run_name=_run_name)
def finetune_matrix(
    project: str = ".",
    corpora: tuple[str, ...] = (),
    sources: tuple[Literal["human", "synthetic", "combined", "pooled"], ...] = (),
    dime_aug: tuple[Literal["on", "off"], ...] = (),
    workers: int = 1,
) -> dict[str, int]:
    """Fine-tune and evaluate the matrix of params.yaml, after adding the corpora and settings that are named here.

    Args:
        project: The folder that holds dvc.yaml.
        corpora: Which corpora; those of the matrix, if none is named.
        sources: Sources to add to the matrix.
        dime_aug: DiME-Aug settings to add to the matrix.
        workers: How many cells may train at the same time (one per GPU).

    Returns:
        How many stages were run and how many were up to date already.

    Raises:
        UserError: A corpus that is not in params.yaml.
        StageFailedError: A cell failed after all retries; the others were still trained.
    """
    root = Path(project).resolve()
    corpora = corpora or tuple(params_file.load(root)["matrix"]["corpora"])
    extend_matrix(root, corpora, sources, dime_aug)
    parallel_reproduce = reproduce.with_options(task_runner=thread_runner(workers))
    counts: dict[str, int] = parallel_reproduce(
        project=project, corpora=corpora, steps=("evaluate", "report")
    )
    for corpus in corpora:
        publish_matrix(root, corpus)
    return counts


def extend_matrix(
    project: Path, corpora: tuple[str, ...], sources: tuple[str, ...], dime_aug: tuple[str, ...]
) -> None:
    """Add corpora, sources and DiME-Aug settings to the matrix of params.yaml; existing ones stay.

    Raises:
        UserError: A corpus that is not in params.yaml.
    """
    with params_file.changing(project) as params:
        unknown = sorted(set(corpora) - set(params["corpora"]))
        if unknown:
            raise UserError(
                f"unknown corpus {unknown[0]!r}; params.yaml has: {', '.join(sorted(params['corpora']))}"
            )
        for axis, values in (("corpora", corpora), ("sources", sources), ("dime_aug", dime_aug)):
            yaml_comments.extend(params["matrix"][axis], values)


def publish_matrix(project: Path, corpus: str) -> None:
    """Publish the matrix of one corpus as a table artifact, ``<corpus>-matrix``, lowest nll first."""
    metrics = read_metrics(project / "data" / corpus / "evaluation" / "metrics.json")
    if metrics:
        create_table_artifact(
            matrix_rows(metrics),
            key=f"{corpus}-matrix".replace("_", "-"),
            description=f"Fine-tuned models of {corpus} against held-out human votes",
        )


def matrix_rows(metrics: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the artifact: model, figures, and the 95 % interval of nll; a model without JS is left out."""
    rows = [
        {"model": model} | _rounded_figures(row)
        for model, row in metrics.items()
        if isinstance(row.get("js"), int | float)
    ]
    return sorted(rows, key=lambda row: (rank(row), row["model"]))


def _rounded_figures(row: dict[str, Any]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        key: round(float(row[key]), 4) for key in _FIGURES if isinstance(row.get(key), int | float)
    }
    score = "nll" if "nll_low" in row else "js"  # js: of earlier versions
    if f"{score}_low" in row:
        figures[f"95 % of {score}"] = f"{row[f'{score}_low']:.3f} to {row[f'{score}_high']:.3f}"
    return figures

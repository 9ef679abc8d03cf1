"""The flow ``finetune_matrix``: every corpus x source x DiME-Aug on or off, in one run, to one table.

What is up to date is not trained again; the cells of a corpus are independent stages of dvc.yaml.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.runtime import flow_run

from ambivox.flows import project as projects
from ambivox.flows.reproduce import reproduce, side_by_side
from ambivox.models.errors import UserError

_FIGURES = ("js", "bc", "accuracy", "f1_macro", "ece")


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
    """Fine-tune and evaluate the matrix of params.yaml, after entering what is asked for here.

    Args:
        project: The folder that holds dvc.yaml.
        corpora: Which corpora; those of the matrix, if none is named.
        sources: Sources to enter into the matrix beside those that are in it.
        dime_aug: Likewise, DiME-Aug on or off.
        workers: How many cells may train side by side (one a GPU).

    Raises:
        UserError: a corpus that params.yaml does not know.
        StageFailedError: a cell failed for good; the others were still trained.
    """
    here = Path(project).resolve()
    corpora = corpora or tuple(projects.load(here)["matrix"]["corpora"])
    widen(here, corpora, sources, dime_aug)
    side = reproduce.with_options(task_runner=side_by_side(workers))
    counted: dict[str, int] = side(project=project, corpora=corpora, steps=("evaluate", "report"))
    for corpus in corpora:
        publish(here, corpus)
    return counted


def widen(
    project: Path, corpora: tuple[str, ...], sources: tuple[str, ...], dime_aug: tuple[str, ...]
) -> None:
    """Enter corpora, sources and DiME-Aug settings into the matrix of params.yaml; what is there stays."""
    params = projects.load(project)
    unknown = sorted(set(corpora) - set(params["corpora"]))
    if unknown:
        raise UserError(
            f"unknown corpus {unknown[0]!r}; params.yaml has: {', '.join(sorted(params['corpora']))}"
        )
    changed = False
    for name, wanted in (("corpora", corpora), ("sources", sources), ("dime_aug", dime_aug)):
        absent = [one for one in wanted if one not in params["matrix"][name]]
        params["matrix"][name].extend(absent)
        changed = changed or bool(absent)
    if changed:
        projects.save(project, params)


def publish(project: Path, corpus: str) -> None:
    """The matrix of one corpus as a table artifact, best JS first."""
    path = project / "data" / corpus / "evaluation" / "metrics.json"
    if not path.is_file():
        return
    rows = matrix_rows(json.loads(path.read_text(encoding="utf-8")))
    key = f"{corpus}-matrix".replace("_", "-")
    create_table_artifact(
        rows, key=key, description=f"Fine-tuned models of {corpus} against held-out human votes"
    )


def matrix_rows(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the artifact: model, figures, interval of JS."""
    rows: list[dict[str, Any]] = []
    for name, figures in metrics.items():
        if isinstance(figures, dict) and isinstance(figures.get("js"), int | float):
            shown: dict[str, Any] = {
                one: round(float(figures[one]), 4)
                for one in _FIGURES
                if isinstance(figures.get(one), int | float)
            }
            interval = (
                {"95 %": f"{figures['js_low']:.3f} to {figures['js_high']:.3f}"}
                if "js_low" in figures
                else {}
            )
            rows.append({"model": name} | shown | interval)
    return sorted(rows, key=lambda row: (row["js"], row["model"]))

"""What a team lead reads: tags of a flow run, and a table with one row per run, ``<corpus>-history``."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import Artifact, create_markdown_artifact, create_table_artifact
from prefect.client.orchestration import get_client

from ambivox.flows.artifact_pictures import picture_markdown
from ambivox.flows.dashboard import artifact_key, read_json, read_metrics
from ambivox.models.annotation.checks_file import hosted_summary, rename_checks
from ambivox.models.errors import UserError
from ambivox.models.releases.versioning import Versions
from ambivox.models.reporting.tables import markdown_table
from ambivox.models.reporting.trends import TRENDS

_MOST_ROWS = 200
_SHOWN_ROWS = 20


def tag_run(project: Path, flow_run: UUID, corpora: tuple[str, ...], tags: set[str]) -> None:
    """Tag a flow run with its corpora, their ALMs and their newest releases (``corpus:demo``, ``alm:tiny``, ``dataset:demo-v1``)."""
    for corpus in corpora:
        tags |= {f"corpus:{corpus}", f"alm:{_alm(project, corpus)}"}
        if version := _version(project, corpus):
            tags.add(f"dataset:{version}")
    with get_client(sync_client=True) as client:
        client.update_flow_run(flow_run, tags=sorted(tags))


def publish_history(
    project: Path, corpus: str, run: str, stages_run: int, seconds: float, annotated: dict[str, float]
) -> None:
    """Add a row about this run to the corpus's table of runs, the newest first.

    Args:
        project: The folder that holds dvc.yaml.
        corpus: The corpus's name.
        run: The flow run's name.
        stages_run: How many stages were run.
        seconds: How long the flow took.
        annotated: What the step ``annotate`` measured in this run; empty where it did not run.
    """
    key = artifact_key(corpus, "history")
    latest = cast(Artifact | None, Artifact.get(key))
    try:
        rows = json.loads(latest.data) if latest is not None and isinstance(latest.data, str) else []
    except ValueError:
        rows = []
    row = {
        "ended": time.strftime("%Y-%m-%d %H:%M"),
        "run": run,
        "release": _version(project, corpus) or "none yet",
        "stages run": stages_run,
        "minutes": round(seconds / 60, 1),
        **history_figures(project, corpus, annotated),
    }
    all_rows = [row, *rows][:_MOST_ROWS]
    create_table_artifact(
        all_rows,
        key=key,
        description=f"Every run of {corpus}, the newest first; nll (nats per vote) and JS (base-2 divergence) are to human votes of test speakers",
    )
    _publish_trends(project, corpus, all_rows)


def _publish_trends(project: Path, corpus: str, rows: list[dict[str, Any]]) -> None:
    """Show quality, speed and cost of a corpus through its runs, by ALM, as ``<corpus>-trends``."""
    from ambivox.models.reporting.figures.style import svg
    from ambivox.models.reporting.figures.trends import trends_figure

    picture = svg(trends_figure(rows[::-1]))
    shown = picture_markdown(project, picture, f"nll, speed and cost of every run of {corpus}, by ALM")
    columns = ("ended", "ALM", *TRENDS)
    table = [[_text(row.get(name)) for name in columns] for row in rows[:_SHOWN_ROWS]]
    create_markdown_artifact(
        f"# {corpus} through its runs\n\nFrom the oldest to the newest run: nll of pooled to human votes of test "
        "speakers (lower is better), utterances annotated per second, and what hosted ALMs cost.\n\n"
        f"{shown}\n\n{markdown_table(columns, table)}",
        key=artifact_key(corpus, "trends"),
        description=f"Quality, speed and cost of {corpus} through its runs, by ALM",
    )


def history_figures(project: Path, corpus: str, annotated: dict[str, float]) -> dict[str, Any]:
    """The figures of a row: speed and cost of the annotation, JS, and what each ALM is worth in human votes."""
    data = project / "data" / corpus
    checks = read_json(data / "annotations" / "checks.json")
    pooling = read_json(data / "distributions" / "pooling.json")
    metrics = read_metrics(data / "validation" / "metrics.json")
    seconds = annotated.get("seconds", 0.0)
    figures: dict[str, Any] = {"ALM": _alm(project, corpus)}
    figures["utterances per second"] = round(annotated["utterances"] / seconds, 2) if seconds else None
    figures["prompts"] = int(annotated["prompts"]) if annotated else None
    figures["tokens"] = int(annotated["tokens"]) if annotated.get("tokens") else None
    figures["refusals"] = rename_checks(checks)["refusals"] if "refusals" in checks else None
    cost = dict(hosted_summary(checks)).get("cost (USD)")
    figures["cost (USD)"] = round(cost, 2) if isinstance(cost, int | float) else None
    nll = metrics.get("pooled", {}).get("nll")
    figures["nll pooled"] = round(nll, 3) if isinstance(nll, int | float) else None
    for source in ("human", "pooled"):
        js = metrics.get(source, {}).get("js")
        figures[f"JS {source}"] = round(js, 3) if isinstance(js, int | float) else None
    worth = [alm.get("worth") for alm in pooling.get("alms", {}).values()]  # null where it cannot be measured
    rates = [one["nll"]["overall"]["text"] for one in worth if one]
    figures["worth in human votes (by nll)"] = ", ".join(rates) or None
    return figures


def _alm(project: Path, corpus: str) -> str:
    """The annotator of a corpus: what data/<corpus>/alm names, else the tiny ALM that is trained there."""
    path = project / "data" / corpus / "alm"
    return Path(path.read_text(encoding="utf-8", errors="replace").strip()).name if path.is_file() else "tiny"


def _version(project: Path, corpus: str) -> str:
    try:
        return Versions(project).latest(corpus)
    except UserError:
        return ""


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

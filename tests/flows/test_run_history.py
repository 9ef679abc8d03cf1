"""What a lead reads after several runs, and the report that the pages link to."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from ambivox.flows import report_pages, run_history


def write_results(project: Path, js: float) -> None:
    data = project / "data" / "calls"
    for name, content in {
        "annotations/checks.json": {"refusals": 3, "hosted": {"cost_usd": 1.256}},
        "distributions/pooling.json": {"alms": {"tiny": {"worth": {"nll": {"overall": {"text": "2.3"}}}}}},
        "validation/metrics.json": {"pooled": {"js": js, "nll": 1.2349}, "human": {"js": 0.25}},
    }.items():
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


@pytest.mark.server
def test_each_run_adds_a_row_and_the_newest_is_first(prefect_server: None, tmp_path: Path) -> None:
    from prefect import flow
    from prefect.artifacts import Artifact
    from prefect.runtime import flow_run

    measured = {"utterances": 40, "prompts": 160, "seconds": 20.0, "tokens": 9000}

    @flow(name="history")
    def run(number: int, js: float, annotated: dict[str, float]) -> str:
        write_results(tmp_path, js)
        run_history.tag_run(tmp_path, flow_run.id, ("calls",), {"team:a"})
        run_history.publish_history(tmp_path, "calls", f"run {number}", 4, 90.0, annotated)
        return str(flow_run.id)

    run(1, 0.2, measured)
    identifier = run(2, 0.19, {})
    latest = Artifact.get("calls-history")
    assert latest is not None
    rows = json.loads(str(latest.data))
    assert [row["run"] for row in rows] == ["run 2", "run 1"]
    first = rows[1]
    assert first["utterances per second"] == 2.0
    assert (first["prompts"], first["tokens"], first["refusals"]) == (160, 9000, 3)
    assert (first["JS pooled"], first["JS human"], first["worth in human votes (by nll)"]) == (
        0.2,
        0.25,
        "2.3",
    )
    assert rows[0]["utterances per second"] is None
    assert rows[0]["JS pooled"] == 0.19
    assert (first["nll pooled"], first["cost (USD)"]) == (1.235, 1.26)
    trends = Artifact.get("calls-trends")
    assert trends is not None
    lines = str(trends.data).splitlines()
    assert any(line.startswith("![nll, speed and cost of every run of calls, by ALM](") for line in lines)
    assert lines[-4:-2] == [
        "| ended | ALM | nll pooled | utterances per second | cost (USD) |",
        "|---|---|---|---|---|",
    ]
    assert lines[-1].endswith("| tiny | 1.235 | 2 | 1.26 |")

    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        assert set(client.read_flow_run(UUID(identifier)).tags) == {"team:a", "corpus:calls", "alm:tiny"}


def test_an_alm_from_elsewhere_is_named_without_its_folder(tmp_path: Path) -> None:
    write_results(tmp_path, 0.2)
    (tmp_path / "data/calls/alm").write_text("/models/mine/qwen\n")
    assert run_history.history_figures(tmp_path, "calls", {})["ALM"] == "qwen"


def test_reports_and_nothing_else_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    (tmp_path / "data/calls").mkdir(parents=True)
    (tmp_path / "data/calls/report.html").write_text("<title>calls</title>")
    (tmp_path / "data/calls.html").write_text("secret")
    monkeypatch.setenv(report_pages.PROJECT, str(tmp_path))

    async def get(address: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=report_pages.create_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(address)

    async def all_of_them() -> dict[str, httpx.Response]:
        addresses = ("calls", "other", "..%2Fcalls", "Calls", "calls%2Freport")
        return {address: await get(f"/reports/{address}") for address in addresses}

    found = asyncio.run(all_of_them())
    assert found["calls"].text == "<title>calls</title>"
    policy = found["calls"].headers["content-security-policy"]
    assert policy == "sandbox allow-scripts; connect-src 'none'; form-action 'none'"
    for address, response in found.items():
        if address != "calls":
            assert response.status_code == 404 or "secret" not in response.text


def test_pictures_and_nothing_else_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    from ambivox.flows.artifact_pictures import picture_markdown, pictures_folder

    drawing = tmp_path / "drawing.svg"
    drawing.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    # No server of this project is in use here, so the text holds the picture itself.
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    text = picture_markdown(tmp_path, drawing.read_bytes(), "a](x) <b>\n")
    assert text.startswith("![a  x   b  ](data:image/svg+xml;base64,")
    (copy,) = pictures_folder(tmp_path).iterdir()
    (pictures_folder(tmp_path) / "other.svg").write_text("secret")
    monkeypatch.setenv(report_pages.PROJECT, str(tmp_path))

    async def get(name: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=report_pages.create_app())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(f"/pictures/{name}")

    served = asyncio.run(get(copy.name))
    assert served.text == drawing.read_text() and served.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in served.headers["content-security-policy"]
    for name in ("other.svg", "..%2Fserver.log", f"{'0' * 64}.svg", copy.name.upper()):
        response = asyncio.run(get(name))
        assert response.status_code == 404 or "secret" not in response.text

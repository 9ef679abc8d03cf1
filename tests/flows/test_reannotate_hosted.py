"""The flow reannotate with a provider's list of models: consent, pilots that cost money, promotion, shutdown in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile

from ambivox.flows.params_file import changing, load
from ambivox.models.annotator_registry.ledger import Ledger
from ambivox.models.errors import UserError
from ambivox.models.tables import Utterances, Votes
from tests.flows.test_reannotate import artifacts
from tests.support.hosted_server import HostedServer, heard_as, meaningless_logits
from tests.support.hub_alms import LABELS, make_clips, make_project

pytestmark = pytest.mark.server
PARAMS = """\
corpora:
  unit:
    corpus: table
    annotate:
      splits: [train, test]
pretrain:
  unit: {}
"""
# Two votes per utterance: one is pooled, one is scored, so that the ALM decides most of the score.
CLIPS, PILOT = 60, 40
SHUTDOWN = (datetime.now(UTC) + timedelta(days=30)).date()


@pytest.fixture
def server() -> Iterator[HostedServer]:
    running = HostedServer()
    yield running
    running.close()


@pytest.fixture
def project(toy_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose raters agree with what the server's models say about the audio, and more among themselves."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2] / "src"))
    (toy_project / "params.yaml").write_text(PARAMS)
    (toy_project / "dvc.yaml").write_text("stages: {}\n")
    clips = make_clips(toy_project / "clips", CLIPS)
    make_project(toy_project, clips)
    rng = np.random.default_rng(0)
    rows = []
    for clip in clips:
        logits_K = 2 * meaningless_logits(heard_as(soundfile.read(clip)[0]), list(LABELS))
        p_K = np.exp(logits_K - np.logaddexp.reduce(logits_K))
        names = rng.choice(LABELS, 2, p=p_K)
        rows += [(clip.stem, f"r{rater}", "human", str(name), 1.0) for rater, name in enumerate(names)]
    columns = ["utterance_id", "annotator_id", "annotator_kind", "label", "weight"]
    Votes.check(pl.DataFrame(rows, columns, orient="row"), LABELS).write(
        toy_project / "data/unit/ingest/votes.parquet"
    )
    return toy_project


@pytest.mark.timeout(600)
def test_a_hosted_alm_is_tried_at_a_price_and_promoted(
    project: Path, server: HostedServer, prefect_server: None
) -> None:
    from ambivox.flows.annotators import current_annotator
    from ambivox.flows.reannotate import reannotate

    pricing = {"prompt": "0.000001", "completion": "0.000002", "audio": "0.000004"}
    audio = {"architecture": {"input_modalities": ["text", "audio"]}, "pricing": pricing}
    server.models = [
        {"id": "hears", "created": 1, **audio, "expiration_date": SHUTDOWN.isoformat()},
        {"id": "noise", "created": 1, **audio},
        {"id": "reads", "created": 1, "architecture": {"input_modalities": ["text"]}},
    ]

    def run(**options: Any) -> Any:
        return reannotate(
            project=str(project),
            corpus="unit",
            sources=(f"models:{server.url}",),
            pilot_size=PILOT,
            after_promotion="nothing",
            return_state=True,
            **options,
        )

    for words, change in (("allow_hosted: true", "allow_hosted"), ("annotate.max_cost", "max_cost")):
        state = run()
        with pytest.raises(UserError, match=words):
            state.result()
        with changing(project) as params:
            if change == "allow_hosted":
                params["corpora"]["unit"]["allow_hosted"] = True
            else:
                params["corpora"]["unit"]["annotate"]["max_cost"] = 5.0
    assert not server.bodies  # nothing was sent so far
    state = run()
    assert state.name == "Promoted", state.message
    ledger = Ledger(project / "data/unit/ledger.parquet")
    rows = {row["alm"]: row for row in ledger.read().iter_rows(named=True)}
    assert {name: row["decision"] for name, row in rows.items()} == {
        "hosted:hears": "promoted",
        "hosted:noise": "rejected",
    }
    hears = rows["hosted:hears"]
    # 50 text, 80 audio and 9 output tokens per request.
    asked = sum(body["model"] == "hears" for body in server.bodies)
    assert hears["cost_usd"] == pytest.approx(asked * (50 * 1 + 80 * 4 + 9 * 2) / 1e6, abs=1e-4)
    assert hears["votes_per_dollar"] == pytest.approx(hears["equivalent_votes"] * PILOT / hears["cost_usd"])
    assert hears["revision"] == "hears" and hears["shutdown"] == SHUTDOWN.isoformat()
    assert (project / "data/unit/alm").read_text() == "hosted:hears\n"
    options = load(project)["corpora"]["unit"]["annotate"]
    assert options["server"] == server.url and options["prices"] == [1.0, 4.0, 2.0]
    assert "unit" not in load(project)["pretrain"]
    current = current_annotator(project, "unit")
    assert current is not None and current.server == server.url
    assert "votes_per_dollar" in str(artifacts("unit-annotators")[-1].data)

    # The provider's list names its end: the dashboard says so in time, and nobody is asked anything again.
    asked_before = len(server.bodies)
    assert run().name == "NothingNew"
    shown = str(artifacts("unit-reannotate")[-1].data)
    assert f"hosted:hears is shut down by its provider on {SHUTDOWN}, in 30 days" in shown.replace(
        "29 days", "30 days"
    )
    assert len(server.bodies) == asked_before
    assert Utterances.read(project / "data/unit/ingest/utterances.parquet").frame.height == CLIPS

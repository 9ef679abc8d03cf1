"""What is followed through the runs of a corpus: quality, speed and cost."""

from __future__ import annotations

#: Column of a row of the history -> axis label of its panel.
TRENDS = {
    "nll pooled": "nll of pooled (nats per vote)",
    "utterances per second": "utterances per second",
    "cost (USD)": "cost of annotation (USD)",
}

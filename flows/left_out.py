"""Stages that the corpus or the ALM rules out: the pipeline leaves them out, and the report says why.

A step itself raises LeftOutError. As a stage it writes a note in place of its output instead, and so do the stages
that need this output, so that the pipeline ends in a report about what can be known.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import polars as pl

from ambivox.flows.stage_arguments import StageCall
from ambivox.models.errors import LeftOutError
from ambivox.models.files import atomic_folder, write_json
from ambivox.models.left_out import left_out_reason, write_left_out
from ambivox.models.tables import Annotations, Distributions, Utterances

# Arguments of a step whose absence it cannot do without.
_NEEDED = {"annotate": ("alm",), "finetune": ("alm", "augmented"), "predict": ("model",)}

_logger = logging.getLogger(__name__)


def run_or_leave_out(call: StageCall) -> None:
    """Run a stage's step; where the corpus has too little data for it, write a note instead.

    Args:
        call: The step and its arguments.
    """
    for argument in _NEEDED.get(call.step, ()):
        if argument in call.arguments and (reason := left_out_reason(Path(call.arguments[argument]))):
            _leave_out(call.step, call.arguments, reason)
            # The stage that found it has said why.
            _logger.info(f"{call.step} is left out, too")
            return
    try:
        call.run()
    except LeftOutError as error:
        _leave_out(call.step, call.arguments, str(error))
        _logger.warning(f"{call.step} is left out: {error}")


def _leave_out(step: str, arguments: dict[str, Any], reason: str) -> None:
    """Write what later stages read in place of the step's output."""
    out: Path = arguments["out"]
    labels = Utterances.read(arguments["utterances"]).labels
    if step == "predict":  # its output is a table
        out.parent.mkdir(parents=True, exist_ok=True)
        columns = Distributions.required | dict.fromkeys(labels, pl.Float64)
        Distributions.check(pl.DataFrame(schema=columns), labels).write(out)
        return
    with atomic_folder(out, ()) as folder:
        write_left_out(folder, reason)
        if step == "validate":  # the stage report waits for this file
            write_json(folder / "metrics.json", {})
        if step == "annotate":
            Annotations.check(pl.DataFrame(schema=Annotations.required), labels).write(
                folder / "annotations.parquet"
            )

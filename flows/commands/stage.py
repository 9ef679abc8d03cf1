"""``ambivox stage``: the command of every stage of dvc.yaml."""

from __future__ import annotations

from pathlib import Path


def stage(step: str, *, name: str | None = None) -> None:
    """Run one stage of dvc.yaml with the options of params.yaml. DVC calls it; people call `dvc repro STAGE`.

    Args:
        step: The step, such as pool.
        name: The stage, such as pool@demo; by default the one that DVC runs (DVC_STAGE).
    """
    import os

    from ambivox.flows import software
    from ambivox.flows.left_out import run_or_leave_out
    from ambivox.flows.stage_arguments import stage_call
    from ambivox.models.errors import UserError

    stage_name = (name or os.environ.get("DVC_STAGE", "")).rpartition(":")[2]
    if stage_name.partition("@")[0] != step:
        raise UserError(
            f"step {step!r} is not that of the stage {stage_name!r}; expected {step}@CORPUS by --name"
        )
    software.check(Path(), (step,))
    run_or_leave_out(stage_call(Path(), stage_name))

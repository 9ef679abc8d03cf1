"""The Python API: frames in, frames out; no files, no Prefect, no project.

``import ambivox`` gives these functions. Their signatures are stable: a change is in CHANGELOG.md.
"""

from ambivox.models.api.annotating import annotate
from ambivox.models.api.augmenting import dime_aug
from ambivox.models.api.datasets import load_distributions
from ambivox.models.api.labelling import plan_labels
from ambivox.models.api.pooling import equivalent_votes, pool
from ambivox.models.api.validating import validate
from ambivox.models.errors import UserError

__all__ = [
    "UserError",
    "annotate",
    "dime_aug",
    "equivalent_votes",
    "load_distributions",
    "plan_labels",
    "pool",
    "validate",
]

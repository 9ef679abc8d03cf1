"""The four tables of the project: utterances, votes, annotations and distributions; each is checked once, where it is made."""

from ambivox.models.tables.annotations import Annotations
from ambivox.models.tables.distributions import BASELINES, SOURCES, Distributions
from ambivox.models.tables.table import Table
from ambivox.models.tables.utterances import SPLITS, Utterances
from ambivox.models.tables.votes import Votes

__all__ = ["Annotations", "BASELINES", "Distributions", "SOURCES", "SPLITS", "Table", "Utterances", "Votes"]

"""The tables of the project: utterances, votes, ratings, annotations and distributions; each is checked once, where it is made."""

from ambivox.models.tables.annotations import Annotations
from ambivox.models.tables.distributions import BASELINES, SOURCES, Distributions
from ambivox.models.tables.ratings import DIMENSIONS, Ratings
from ambivox.models.tables.table import Table
from ambivox.models.tables.utterances import SPLITS, Utterances
from ambivox.models.tables.votes import Votes

__all__ = [
    "Annotations",
    "BASELINES",
    "DIMENSIONS",
    "Distributions",
    "Ratings",
    "SOURCES",
    "SPLITS",
    "Table",
    "Utterances",
    "Votes",
]

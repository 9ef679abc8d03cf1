"""Figures, one file per step. Every function returns a matplotlib figure in the shared style of ``style``."""

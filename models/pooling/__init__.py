"""Votes become distributions: calibration, equivalent votes, the four sources, allocation of further votes."""

"""Figures, the HTML report, and the data card."""

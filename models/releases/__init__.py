"""Versioned releases of the datasets."""

"""Versioned datasets."""

"""Datasets and models on a model hub: folders, cards, metadata, and their upload."""

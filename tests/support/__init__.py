"""Servers, corpora and small ALMs that several tests use."""

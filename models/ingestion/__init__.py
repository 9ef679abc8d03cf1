"""Ingestion: from a corpus's files to checked tables, with label schemas, splits, held-out votes and a profile."""

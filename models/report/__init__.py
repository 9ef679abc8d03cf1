"""The report: one self-contained HTML page that says what was found, how sure it is, and from what it was made."""

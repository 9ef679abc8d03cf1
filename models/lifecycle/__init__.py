"""Through time: new ALMs, promotion, the ledger, releases of datasets."""

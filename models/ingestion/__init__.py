"""From a corpus's files to checked tables: the contract of a corpus, label sets, splits, the profile."""

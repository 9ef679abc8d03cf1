"""The rows of benchmarks/RESULTS.md: one file per row, whose name is the row's."""

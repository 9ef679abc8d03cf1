"""How good a distribution is: measures, agreement, intervals, saturation, the sparse-vote trial."""

"""Arrays in, arrays out: metrics, agreement, ambiguity, bootstrap intervals, vote draws."""

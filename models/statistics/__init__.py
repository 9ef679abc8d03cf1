"""Arrays in, arrays out: metrics, agreement, ambiguity, jackknife intervals, vote draws."""

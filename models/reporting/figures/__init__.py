"""One file of figures per step."""

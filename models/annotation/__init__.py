"""Annotation by an ALM: elicitation, the vote store, the annotation run, and the checks of the annotator."""

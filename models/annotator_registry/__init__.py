"""Finding new ALMs, comparing each with the annotator in use on a pilot, and recording every decision."""

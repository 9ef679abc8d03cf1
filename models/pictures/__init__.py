"""Pictures: one file a subject, each function data in, matplotlib Figure out; ``style`` is shared."""

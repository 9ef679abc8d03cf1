"""ALMs that differ from transformers' common attributes: one file per ``model_type``."""

"""How single ALMs are heard and asked, where transformers' common attributes do not say it: a file a ``model_type``."""

"""The embedded ALM: a Qwen2-Audio model of about 1.3 million parameters that the project trains from scratch."""

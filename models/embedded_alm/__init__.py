"""The embedded ALM: a Qwen2-Audio model with about 1.3 million parameters, trained from scratch by ``ambivox pretrain``."""

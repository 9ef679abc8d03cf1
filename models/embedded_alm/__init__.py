"""The embedded ALM: a small Qwen2-Audio that ``ambivox pretrain`` makes for one corpus."""

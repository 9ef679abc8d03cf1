"""Audio-language models that can vote: one file each; the file name is the key."""

"""The life of this process and of those that it starts: they end with it, and it ends within seconds when asked to."""

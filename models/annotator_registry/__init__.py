"""Watching for new ALMs, trying them, and promoting the better one."""

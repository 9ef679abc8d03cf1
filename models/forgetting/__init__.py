"""Forgetting people: what a project holds of them is found and removed, and what others hold is listed."""

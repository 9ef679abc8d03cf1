"""Killing steps and commands at random moments, and what must hold afterwards.

``make crash-matrix`` kills each of them often; ``tests/crashes/test_crash_matrix.py`` the quick ones.
"""

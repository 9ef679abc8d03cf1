"""Fuzzing of every parser that reads what others wrote: damaged, hostile and random inputs.

``make fuzz`` runs 100,000 cases for each parser, ``tests/fuzzing/test_parsers.py`` some of them, and every input that was
once a fault (tests/fuzzing/findings.py).
"""

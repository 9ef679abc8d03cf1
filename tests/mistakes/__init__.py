"""Wrong command lines, wrong paths and wrong contents for every command, and how each must end.

``make mistakes`` runs all of them; the tests run a sample.
"""

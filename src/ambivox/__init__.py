"""Ambivox: trustworthy emotion distributions from a few human votes and audio-language models.

The package is installed as ``ambivox.flows``, ``ambivox.tasks`` and ``ambivox.models``. These are links to the
top-level folders of the repository. Packages called ``models``, ``tasks`` or ``flows`` in a user's project cannot clash with them.
"""

"""``python -m ambivox`` is the command ``ambivox``."""

from ambivox.flows.cli import main

main()

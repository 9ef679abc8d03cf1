"""``python -m ambivox`` is the command ``ambivox``."""

from ambivox.flows.cli import main

if __name__ == "__main__":
    main()

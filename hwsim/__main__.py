"""``python -m hwsim``: the command line without its entry point."""

from __future__ import annotations

from hwsim.cli.main import main

if __name__ == "__main__":
    main()

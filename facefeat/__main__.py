"""``python -m facefeat`` is ``facefeat``."""

from facefeat.cli.app import main

if __name__ == "__main__":
    main()

"""``python -m fewrec_cli``, the same as the command ``fewrec``."""

import sys

from fewrec_cli.cli import main

if __name__ == "__main__":
    sys.exit(main())

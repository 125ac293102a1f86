"""``python -m samgeo_core``."""

import sys

from samgeo_core.cli import main

if __name__ == "__main__":
    sys.exit(main())

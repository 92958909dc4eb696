"""``python -m formwright`` is the ``formwright`` command."""

from __future__ import annotations

import sys

from formwright.cli import main

if __name__ == "__main__":
    sys.exit(main())

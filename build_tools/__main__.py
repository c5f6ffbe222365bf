"""Run the build tools: `python -m build_tools COMMAND`."""

import sys

from build_tools.cli import main

sys.exit(main())

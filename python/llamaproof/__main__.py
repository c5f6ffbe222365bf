"""`python -m llamaproof`."""

import sys

from llamaproof.cli import main

sys.exit(main())

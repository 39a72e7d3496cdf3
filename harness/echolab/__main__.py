"""`python3 -m echolab`: what harness/lab runs."""

import sys

try:
    from echolab.cli import main

    main()
except KeyboardInterrupt:
    sys.exit(130)

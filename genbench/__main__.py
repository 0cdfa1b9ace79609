"""`python -m genbench`."""

from genbench.cli import main

raise SystemExit(main())

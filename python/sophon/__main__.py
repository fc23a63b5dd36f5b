"""``python -m sophon``: the command line, and where a C or C++ program finds the core that came with the package."""

import sys
from pathlib import Path

from sophon import _core

NATIVE = Path(_core.__file__).parent / "native"
PLACES = {"--cmake-dir": NATIVE / "lib" / "cmake" / "sophon", "--include-dir": NATIVE / "include"}

if len(sys.argv) == 2 and sys.argv[1] in PLACES:
    print(PLACES[sys.argv[1]])  # noqa: T201
else:
    from sophon.cli import main

    main()

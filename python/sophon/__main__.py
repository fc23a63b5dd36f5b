"""``python -m sophon``: the command line."""

from sophon.cli import main

main()

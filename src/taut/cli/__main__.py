"""`python -m taut.cli`, for where the command is not on the path."""

from taut.cli.app import main

main()

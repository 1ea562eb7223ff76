"""`python -m taut_cli`, for where the command is not on the path."""

from taut_cli import main

main()

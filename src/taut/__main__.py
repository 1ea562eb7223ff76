"""`python -m taut`, for where the command is not on the path.

`python -m taut_cli` is the same and starts at once: this one imports the package first, and Keras.
"""

from taut_cli import main

main()

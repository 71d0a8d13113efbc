"""`python -m tsniqa` is the command `tsniqa`."""

from tsniqa.cli import main

main()

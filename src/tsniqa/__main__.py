"""`python -m tsniqa` is the command `tsniqa`."""

from tsniqa.cli import main

if __name__ == "__main__":
    main()

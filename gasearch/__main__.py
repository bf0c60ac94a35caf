"""`python -m gasearch`: the command line."""

from gasearch.cli import main

if __name__ == "__main__":
    main()

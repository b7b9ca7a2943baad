"""`python -m fastdag`, the same as the command `fastdag`."""

from fastdag.cli.main import main

if __name__ == "__main__":
    main()

"""`python -m flowyd` is the command `flowyd`."""

from flowyd.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())

"""`python -m flowyd.swf DOMAIN NAME VERSION [ARG…]` starts a workflow, as scripts of the tutorial do.

Everything after VERSION goes to the workflow's run() as text, also what looks like an option. The workflow
id and run id are printed; the exit code is 1 when the start is refused.
"""

from flowyd.cli.script_start import main

if __name__ == "__main__":
    raise SystemExit(main())

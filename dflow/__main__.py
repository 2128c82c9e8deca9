"""`python -m dflow` is the command `dflow`."""

from dflow.cli import main

if __name__ == "__main__":
    main(prog_name="dflow")

"""A soak: the same pipeline again and again, with a random fault at a random moment.

    make soak                                         # ten minutes
    .venv/bin/python -m tests.soak --runs 500         # so many runs
    .venv/bin/python -m tests.soak --seed 7 --runs 1  # one run again

Each run is made by its seed alone.  `pipeline.py` is the program, `second.py` another client of its queue, `faults.py`
what happens to them, `account.py` what must hold afterwards, `run.py` one run.
"""

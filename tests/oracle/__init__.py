"""The same programs on TensorFlow and on dflow: they must give the same results.

`make oracle` makes an environment with TensorFlow and runs them; `make test` leaves them out.
"""

"""State machines of the resources that steps share: `queue` and `reader`.  Calls go in, replies come out.

A machine knows specs, arrays, errors and, if it reads, the format of a file.  It knows no thread, no lock, no event
loop, no clock, no step and no Dask, so every order of events is a plain sequence of calls.  The caller, which is
`runtime/resources`, holds one lock around each call and passes the replies on to the attempts that wait.
"""

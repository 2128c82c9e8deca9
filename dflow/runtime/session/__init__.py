"""Sessions, local and on a cluster, with their plans and fetches, and the handles of their loops.

Knows graphs, the compiler and all other packages of the runtime.  None of these may know a session.
"""

"""One device: its programs, its parts of steps, its executor.

It knows its sessions and, by address, the processes of other devices.  It must not know a channel or a message.
"""

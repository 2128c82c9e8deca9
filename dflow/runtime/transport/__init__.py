"""Channels between processes: connections, encryption, messages, and calls with their answers.

It knows addresses and deliveries, and the fields of messages.  It must not know a device executor or a running step.
"""

"""Lookup tables: their entries on a device, the operations on them, and the classes that users call."""

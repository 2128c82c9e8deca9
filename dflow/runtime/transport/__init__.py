"""Messages between processes: connections, encryption, calls.  Knows no device and no step."""

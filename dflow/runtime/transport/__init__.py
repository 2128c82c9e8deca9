"""Messages between processes: sockets, framing, encryption, requests.  Knows no device and no step."""

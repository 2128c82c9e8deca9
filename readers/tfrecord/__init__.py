"""TFRecord files: framing, compression and checksums of records; the reader, and functions for use without a graph."""

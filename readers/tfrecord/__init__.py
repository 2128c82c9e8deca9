"""TFRecord files: how records are framed, compressed and checked; the reader, and what works outside a graph."""

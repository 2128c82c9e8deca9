"""CSV: the operation `decode_csv`, its two decoders, and the reader of files in blocks of columns."""

"""Images: files, sizes, parts, colours, boxes and comparisons."""

"""Values in order: sorted, the largest ones, places in sorted sequences."""

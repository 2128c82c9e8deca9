"""Text: strings joined, split, cut, matched, turned into numbers and back, hashed."""

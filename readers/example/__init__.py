"""Examples and SequenceExamples: their messages, the descriptions of their features, and their decoding."""

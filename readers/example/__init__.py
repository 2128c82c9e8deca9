"""Examples and SequenceExamples: their messages, what a user says of their features, and how they are decoded."""

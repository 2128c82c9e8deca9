"""Control flow: branches, loops, and what loops keep: stacks and arrays of tensors."""

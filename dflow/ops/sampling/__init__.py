"""Random values of more distributions than `random` has, and random values without a state."""

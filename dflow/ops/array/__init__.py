"""Operations that make tensors, and those on their shapes, dtypes and parts."""

"""Operations whose results are Summary messages, serialized: what `df.summary` is made of."""

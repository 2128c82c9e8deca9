"""Operations on numbers: elementwise ones, reductions, running sums, products of matrices."""

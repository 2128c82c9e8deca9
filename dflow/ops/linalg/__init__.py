"""Linear algebra on stacks of matrices, [..., rows, columns]: diagonals, solving, decompositions, matrix functions."""

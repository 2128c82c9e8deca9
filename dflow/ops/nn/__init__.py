"""Operations of networks and of their training: activations, biases, dropout, losses, clipping."""

"""Classes drawn as candidates, in the place of all classes, for losses over many of them."""

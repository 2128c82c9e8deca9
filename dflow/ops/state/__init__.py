"""Variables: how they are made, named, found again, given their first values, and assigned."""

"""Drawings of graphs."""


def visualize() -> None: ...

"""The operations, one file a family, each op whole: function, shape rule, kernel, gradient, batch rule."""

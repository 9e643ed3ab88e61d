"""The composition root: the one place that knows how everything is put together."""

"""Handlers in processes of their own: the parent's side, the child's, and the frames between them."""

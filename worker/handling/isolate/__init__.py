"""Handlers in processes of their own: the parent's side, the child's side, and the frames exchanged between them."""

"""Migrations of the journal's schema (Alembic)."""

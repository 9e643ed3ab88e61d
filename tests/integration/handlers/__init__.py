"""Tests of the built-in handlers, each against the real thing."""

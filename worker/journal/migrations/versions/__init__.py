"""One file per version of the schema; each upgrades from the previous version."""

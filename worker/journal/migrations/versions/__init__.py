"""One file per version of the schema, each upgrading from the one before."""

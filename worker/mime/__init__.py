"""What lies behind `worker.message`: MIME, from bytes to parts."""

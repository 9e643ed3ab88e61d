"""What lies behind `worker.message.message`: MIME, from bytes to parts."""

"""MIME parsing behind `worker.message.message`: from bytes to parts."""

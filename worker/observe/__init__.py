"""What the worker shows of itself while it runs: status, page, metrics, health, alerts, digest, audit trail."""

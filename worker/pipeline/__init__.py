"""The stages that a message passes through: poll, admit, fetch, classify, route, handle, record, settle."""

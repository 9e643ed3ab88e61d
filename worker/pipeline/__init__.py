"""The way of a message: poll, admit, fetch, classify, route, handle, record, settle."""

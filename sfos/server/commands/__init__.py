"""Commands: dispatch, and a handler for each, request → domain → reply."""

"""The web page and its API: one model, on this machine."""

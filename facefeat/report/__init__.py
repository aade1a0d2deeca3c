"""Numbers to text and JSON; no arithmetic of its own."""

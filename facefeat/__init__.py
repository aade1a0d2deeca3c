"""facefeat."""

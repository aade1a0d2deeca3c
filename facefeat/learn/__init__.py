"""Vectors to a recogniser: splits, fitting, comparing, naming, refusing strangers, and the bundle on disk."""

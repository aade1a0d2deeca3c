"""Files of named tensors: one module reads one format, and none reads a number before its size is known to be right."""

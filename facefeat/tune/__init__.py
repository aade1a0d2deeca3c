"""Past the cached vectors: the network itself is trained, and models become files for other programs."""

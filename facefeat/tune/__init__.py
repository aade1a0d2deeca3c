"""Past the cached vectors: networks that go on from a pretrained one, and models as files for other programs."""

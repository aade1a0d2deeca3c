"""The feature file: how vectors lie on disk, and how they get there whole.

``sealed`` puts HDF5 behind a digest, ``skeleton`` lays out its structure, ``columns`` says what the columns
are, ``file`` reads a published file, ``shards`` keeps what a run has finished so far, ``publish`` makes one
file of it all, ``durable`` writes bytes so that they survive, ``lock`` keeps a second writer out, ``check``
tells whether all of it is whole. Only this room knows HDF5.
"""

"""The same extraction on a Ray cluster: Ray knows machines, actors and retries, facefeat the recipe, refusals and the file.

The driver lists, hashes, cuts and publishes by the code of a local run. Actors take a list of pictures to a shard, whose
content and name the driver has decided by that list: doing it twice does no harm, and what is there is resumed from.
"""

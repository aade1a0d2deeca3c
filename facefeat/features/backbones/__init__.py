"""Networks that turn faces into vectors: one file is one network, found by its name.

A backbone is a module that fits ``facefeat.features.backbone.Backbone``: the network, its weights' hash
and its preprocessing in one place. Callers hand over raw RGB.
"""

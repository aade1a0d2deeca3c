"""Classifiers on vectors: one file is one head, found by its name.

A head is a module with

* ``build(**knobs)``, which returns an unfitted scikit-learn classifier (often a pipeline whose first steps
  learn the scaling on the training rows); its signature is the list of knobs, with their defaults;
* ``SUMMARY``, one line for people;
* ``GRID``, values to try for ``--search``, by knob;
* optionally ``TRUSTED``, names of types of its own that a bundle may hold, and ``to_arrays`` and
  ``from_arrays`` where skops cannot write the fitted estimator.

docs/adding-a-head.md has a worked example.
"""

"""Classifiers on vectors: one file is one head, found by its name.

A head is a module with

* ``build(**knobs)``, which returns an unfitted scikit-learn classifier (often a pipeline whose first steps
  learn the scaling on the training rows); its signature is the list of knobs, with their defaults;
* ``SUMMARY``, one line for people;
* ``GRID``, values to try for ``--search``, by knob;
* optionally ``TRUSTED``, names of types that a bundle may hold beside those of scikit-learn that ``build`` makes;
  ``APPLIED``, where ``build`` returns what ``_scaling.scaled`` makes, the class that applies the classifier in it without
  scikit-learn: one of ``_applied``, or the head's own; it takes the knobs but ``root``, and is what a bundle is read to;
  ``check_fitted(estimator, X, y)``, which refuses fitted attributes that no fit makes, when a bundle is read;
  ``RANK``, its place among heads that score alike, 50 unless given, lower first; ``SLOW = True`` where fitting
  takes so long, or needs a library so heavy, that it is left out of ``--head auto`` and fitted in one process;
  ``cost(n_images, n_features, n_people)``, roughly the seconds of a fold, so that tables which are too large for it
  are compared without it; ``fit_shared(classifier, space)`` with ``in_features(classifier, space)``, for a head
  that depends on inner products alone: it is fitted beside others on rows that were scaled and decomposed once;
  ``fit_streamed(classifier, space)``, for another head, by which it is fitted on tables that are not held in memory;
  and ``in_layers(classifier, rows)``, the fitted classifier in layers of Keras, without which a model cannot be exported.

docs/adding-a-head.md has a worked example.
"""

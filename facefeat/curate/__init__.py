"""From raw photographs to a clean data set."""

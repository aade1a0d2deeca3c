"""How any network is run, whatever it computes."""

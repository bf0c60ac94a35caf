"""From a module and resident data to a trained network and its scores."""

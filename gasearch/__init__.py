"""gasearch: how big, how deep and how many bits should a network be? An evolutionary search that measures its answer."""

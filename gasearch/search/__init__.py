"""The loop of a search: ask, store, dispatch, collect, apply."""

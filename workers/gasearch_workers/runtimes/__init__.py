"""Programs that run a written form: the artifact itself answers, not the code that trained it."""

"""A search for other tools: tables of pandas, studies of Optuna, runs of experiment trackers."""

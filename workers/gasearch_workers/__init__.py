"""What runs on a worker: data, networks, short trainings and their measurement; nothing of the controller."""

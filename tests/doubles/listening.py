"""An observer that keeps the notices."""


class Listening:
    """Keeps the notices."""

    def __init__(self):
        self.notices = []

    def on_outcome(self, record):
        """Nobody looks."""

    def on_progress(self, progress):
        """Nobody looks."""

    def on_notice(self, message):
        self.notices.append(message)

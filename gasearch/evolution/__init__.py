"""What is proposed next: a seeded, pure engine that is asked and told. No I/O, no clock."""

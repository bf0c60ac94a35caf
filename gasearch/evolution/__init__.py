"""What is proposed next: a seeded, pure engine with ask and tell. No I/O, no clock."""

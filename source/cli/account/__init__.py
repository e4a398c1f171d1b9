"""One account: launch, update, look, repair, delete."""

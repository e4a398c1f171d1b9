"""What is decided and remembered: pure code, without I/O, clock or logging."""

"""What holds the documentation to the code."""

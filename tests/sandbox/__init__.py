"""The local AWS in which the product is launched for real, by end-to-end tests and by `make demo`: see README.md."""

"""What `make` sets up environments, builds the Lambda package and writes releases with; none of it calls AWS."""

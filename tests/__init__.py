"""Everything that holds the project to its promises, with the local AWS and the Falcon simulator that it needs."""

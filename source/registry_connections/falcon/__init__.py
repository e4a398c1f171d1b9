"""The Falcon API: the only importer of requests."""

"""AWS: the only importer of boto3."""

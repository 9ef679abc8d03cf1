"""DiME-Aug: features, neighbours, mixed samples."""

"""DiME-Aug (arXiv 2601.14620): features, nearest neighbours and mixed samples for small emotion classes."""

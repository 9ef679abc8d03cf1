"""Training in several processes: data-parallel, or with sharded weights."""

"""ALM specifications, personas, prompts, requests and chat templates."""

"""What an ALM is asked: the ALM specification, personas, prompts, requests and chat templates."""

"""How an ALM votes: prompts, personas, elicitation, the vote store, and the checks that go with every run."""

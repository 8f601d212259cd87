Metrics tell of tokens by model and key, requests by key, swaps by how they ended, the states of the slots, free memory, and the router's own process.

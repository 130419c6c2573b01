"""The room between the store and the connections: who listens, what is still to be sent, and what has expired."""

"""The contract, what devices say to each other: prekeys, first messages, the ratchet, and what people write (spec 60).

Keys, randomness and what the relay delivered enter; values leave that the caller commits in one transaction. The rule
of this room: the relay may not import it, and nothing in it believes the relay.
"""

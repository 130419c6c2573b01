"""The relay: it stores and forwards what it cannot read."""

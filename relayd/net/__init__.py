"""The relay's outermost room: sockets. Bytes enter and leave; what they mean is decided further in."""

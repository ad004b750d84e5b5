"""What is remembered: tables, the one write path, the object store. It holds and does not act."""

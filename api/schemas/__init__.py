"""What goes over the wire. Never tables: what the database keeps may change without clients noticing."""

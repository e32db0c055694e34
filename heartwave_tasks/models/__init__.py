"""Heartbeat models behind one small interface, and the protocols that say how good they are."""

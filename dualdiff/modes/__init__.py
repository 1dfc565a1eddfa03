"""What each interpreter makes of a kind: one short function per kind and mode, no op by name."""

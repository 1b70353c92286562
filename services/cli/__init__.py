"""The command line. Every command but those that say so speaks HTTP to a running node."""

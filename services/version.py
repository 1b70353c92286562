"""The release's number, in one place."""

VERSION = "0.1.0"

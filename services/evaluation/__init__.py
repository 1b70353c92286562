"""Answering "may I send this?": from the parsed question to the bytes of the answer."""

"""Textual widgets of the console's own."""

"""The console's screens: each asks for what it shows while it is visible, and places rows."""

"""Example applications, see README.md."""

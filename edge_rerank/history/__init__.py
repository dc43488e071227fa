"""What is kept about a person: recording, reading, access, export, erasure."""

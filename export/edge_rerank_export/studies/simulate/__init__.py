"""The simulator of people: what a list that learns gains, where what people want is known."""

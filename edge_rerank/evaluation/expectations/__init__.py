"""Internal: behavioural tests beside metrics, what anyone would expect of a personal list."""

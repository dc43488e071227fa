"""What the adapters are tested with."""

QUESTION = "What is the capital of France?"
CAPITAL = "The capital of France is Paris, on the river Seine."
TELESCOPE = "A telescope gathers the light of distant stars."
PASSAGES = [
    "Bread is made of flour, water and yeast.",
    "Berlin has 3.7 million inhabitants.",
    TELESCOPE,
    CAPITAL,
    "The goalkeeper saved a penalty in the last minute.",
]

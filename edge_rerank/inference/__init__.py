"""Model packs and how they are run: manifest, execution providers, text encoder."""

"""Internal: many people and many devices, on engines that are there already."""

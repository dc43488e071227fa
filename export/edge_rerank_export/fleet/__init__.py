"""Internal: many people and many devices, on engines that are there already."""

import os

os.environ["FLWR_TELEMETRY_ENABLED"] = "0"  # Flower looks when it is imported

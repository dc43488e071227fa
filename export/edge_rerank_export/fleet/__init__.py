"""Internal: many people and many devices, on engines that are there already."""

import os

# Flower looks when it is imported; its programs inherit both.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"

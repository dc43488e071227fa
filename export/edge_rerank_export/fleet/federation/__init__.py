"""Internal: where personal heads begin, learnt by devices in rounds, on Flower.

``device`` and ``server`` are the two ends of a round, ``wire`` is what goes between them, and
``grid`` lets both be in one process. ``evidence`` is what can be told of those who took part, and
``simulation`` plays all of it with people who were made up.
"""

import os

# Flower looks when it is imported; its programs inherit both.
os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
os.environ["FLWR_DISABLE_UPDATE_CHECK"] = "1"

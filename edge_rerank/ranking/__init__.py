"""Internal: from items and a history to an order.

Sources score, a blend adds up, policies arrange, reasons explain.
"""

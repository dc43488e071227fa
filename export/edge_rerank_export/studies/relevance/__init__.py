"""Fitting and measuring how well candidates fit a query, on queries made from items' texts."""

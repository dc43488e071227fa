"""Training the history encoder of a pack on data set folders."""

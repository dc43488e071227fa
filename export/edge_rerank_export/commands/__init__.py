"""Internal: the commands of ``python -m edge_rerank.export``, one module each.

A command is a module with ``register(commands)``, which adds its parser, and ``run(arguments,
console)``, which does it. What takes seconds to import, PyTorch above all, is imported when a
command runs, so that ``--help`` and mistakes in the arguments are answered at once.
"""

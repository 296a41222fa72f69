"""What `import mfbench as mf` offers, one idea per module.

`check` and `attempt` do the work of ``mfbench check`` and ``mfbench try``.
"""

"""The Python interface: what `import mfbench as mf` offers, one idea per module.

Two modules have no name in `mf`: `check` and `attempt` serve ``mfbench check`` and ``mfbench try``.
"""

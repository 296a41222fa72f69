"""The Python interface: what `import mfbench as mf` offers, one idea per module."""

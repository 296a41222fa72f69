"""The numbers behind docs/findings.md, and the script that puts them in."""

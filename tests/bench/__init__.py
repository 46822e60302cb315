"""The budgets of docs/performance.md, measured on a real Slurm: ``python -m tests.bench [names] [--json FILE]``.

Figures depend on the machine, so nothing here is a test: nothing fails because it was slow, and CI never runs it.
"""

"""Keeps Windows edge hosts in the state that a Git repository declares.

The way of one resource: *load* (manifests) → *link* → *observe* → *decide* → *apply* (engine) → *watch* (operator).
`docs/architecture.md` draws the layers; `.importlinter` in `pyproject.toml` enforces them.
"""

__version__ = "0.1.0"

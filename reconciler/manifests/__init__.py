"""YAML in, typed resources with positions out. The only package that reads YAML; called by the command line and by sources.

`load` never raises for bad input: all that is wrong, in all files, is in `Manifest.diagnostics`. `schema` says the same
shapes as JSON Schema for editors. `sources` gives the lines of the files for error frames, with secrets masked.
"""

from reconciler.core.resources import Manifest
from reconciler.manifests.codes import CODES
from reconciler.manifests.lines import Lines
from reconciler.manifests.loading import load
from reconciler.manifests.schema import schema


def sources(manifest: Manifest) -> Lines:
    """The lines of the manifest's files, read again when asked for."""
    return Lines(manifest.diagnostics)


__all__ = ["CODES", "Lines", "load", "schema", "sources"]

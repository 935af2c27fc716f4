"""Manifests out of what others wrote: ARM templates and answers of Azure (`templates`), as YAML with what was decided in comments (`documents`)."""

"""The way to Azure Resource Manager: `connect.Azure` opens a writer for the ARM plane of a host (docs/azure.md).

Nothing of the Azure SDK is imported before a request is to be sent. Nothing here decides, waits or tries again: that is the engine's.
"""

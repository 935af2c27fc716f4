"""Hosts over WinRM: one persistent powershell.exe a host, reached through pywinrm's Protocol, held to `wire-contract` and to caps of our own.

`hosts.connect` builds sessions of it; nothing else imports it. pywinrm itself is loaded by `client` and `translate` only.
"""

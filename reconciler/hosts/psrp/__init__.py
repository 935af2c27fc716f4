"""Hosts over PowerShell remoting (PSRP): a runspace instead of a process of our own, so that a restricted endpoint (JEA) can stand in between.

`hosts.connect` builds sessions of it; pypsrp (extra `psrp`) does the protocol, held to the rules of `hosts.winrm`, whose way, sign-in,
line, caps and errors it shares.
"""

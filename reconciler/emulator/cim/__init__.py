"""WMI of an emulated machine: classes by namespace, their instances as raw CIM, and WQL over them.

`repository` is the way in. Values are those that WMI itself gives (enum numbers, no derived texts), computed from the machine; nothing here
knows WS-Man, PowerShell, or what the product reads.
"""

"""Ways to a host. Each gives a `core.transport.Connect`; all speak the frames of `wire` through one `session.Session`.

`emulated` reaches a machine of the emulated estate in this process. Nothing here decides, retries a write, or knows a kind.
"""

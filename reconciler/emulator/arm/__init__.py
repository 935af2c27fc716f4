"""Emulated Azure Resource Manager over the estate: virtual machines, scale sets, extensions, long-running operations (docs/emulated-arm.md).

`handle.handle` is the whole of it as one function; `transport` calls it in process, `endpoint` over TLS, `building` makes what is there.
Every behaviour names what it rests on, with the section of the facts about Azure: rec (recorded traffic), spec (the published API), doc
(Microsoft's pages), assume (nobody says it).
"""

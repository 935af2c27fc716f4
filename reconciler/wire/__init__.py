"""What travels between controller and host: JSON values, requests, frames, answers. docs/wire.md is its reference.

Both ends use it: `hosts` encodes requests and reads frames, `emulator/invoker.py` does the reverse. No I/O and no clock
here; a host that sends rubbish costs a `WireError` and never more memory than `frames.Limits` allows.
"""

"""Values that every layer speaks: ids, calls, kinds, observations, changes, plans, snapshots. No I/O and no clock of its own.

Everybody imports `core`; `core` imports nobody. A module here may describe a collaborator (`transport.Writer`,
`transport.Clock`) as a protocol, and never implements one.
"""

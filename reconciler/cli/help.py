"""The help of `reconcile` itself, as text: printed without importing any command. Names only what exists.

A test compares it with the commands that there are.
"""

from __future__ import annotations

TEXT = """\
Keeps Windows edge hosts as Git says.        reconcile COMMAND [HOST | HOST/KIND/NAME]… [-l LABELS]

Write  validate   all errors at once, no host needed
       schema     JSON Schema of the manifests, for editors
       import     ARM template → YAML                   export   YAML → ARM template
Run    plan       what, how long, what it disturbs      apply     do it, or do a saved plan
       drift      what the world changed                watch     the loop
       destroy    what is named, never all
See    observe    a snapshot, to plan without hosts
Reach  bootstrap  what to paste where nothing listens yet
       jea        least rights for these specs, as files of a restricted endpoint
Mend   doctor     can we reach it, and if not, why
Try    emulate    a Windows estate right here: new, run, fault, heal, power, clock, advance, log,
                  installer, refuse, serve

--specs DIR (specs)   --estate DIR (emulated instead of real)   --output text|json|markdown   -q -v
Exit: 0 as declared · 1 error · 2 changes · 3 stale plan · 4 blocked · 5 not all seen · 130 Ctrl-C
One command in full: reconcile COMMAND --help
First time? reconcile emulate new lab && reconcile --estate lab plan
"""

# Command → the module that serves it, in the order of the help. `emulate` has verbs of its own.
COMMANDS = ("validate", "schema", "import", "export", "plan", "apply", "drift", "watch", "destroy", "observe", "bootstrap", "jea", "doctor", "emulate")
EMULATE = ("new", "run", "fault", "heal", "power", "clock", "advance", "log", "installer", "refuse", "serve")
EMULATE_TEXT = """\
An emulated Windows estate in a folder: hosts, time and faults stay between commands.
It is named by --estate or RECONCILE_ESTATE.

reconcile emulate new DIR [--from SPECS]   bare machines for the hosts that the specs name;
                                           an estate that is there gets those that it lacks
reconcile emulate run HOST "Remove-NetNat -Name eflow"
                                           one cmdlet, as a person on the host would type it
reconcile emulate fault HOST --cmdlet NAME --says TEXT
                                           or --error ID, --hang, --drop before|after, --reboot;
                                           --times N
reconcile emulate heal HOST                takes the faults away
reconcile emulate power off|on HOST        pulls the plug, or puts it in; deallocated: a VM in Azure
reconcile emulate clock [TIME]             what time it is there; or sets it forward
reconcile emulate advance 2h               lets time pass
reconcile emulate log [HOST] [--writes]    requests, cmdlets, jobs, restarts; or changes alone
reconcile emulate installer VM EXTENSION --exit 100 --exit 0
                                           what the next runs of an Azure extension come to
reconcile emulate refuse VM|SET|all --status 429
                                           requests to Azure; or --drop before|after;
                                           --code, --method, --retry-after, --times
reconcile emulate serve                    the hosts over real WinRM, their Azure over TLS,
                                           on loopback addresses
"""

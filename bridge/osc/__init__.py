"""OSC between the daemon and the Max for Live device, over loopback UDP.

``protocol`` is the one table of messages; ``codec`` turns datagrams into checked values and back; ``switchboard``
decides, without sockets, threads or files, what is answered; ``server`` gives it all three. ``generate`` writes what
the device's JavaScript and the reader of ``docs/reference/osc.md`` see of the table.
"""

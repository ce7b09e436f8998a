"""A controller in real time: one plan, one pump on a port, one journal, and the people who ask for things.

Layer      live, beside bench and above assembly (docs/adr/): what a real pump hears goes through here.
Hazard     a controller that is deaf while it waits, that doses on a plan nobody signed, or that ends without a
           word about what the pump goes on to do.
Invariant  one thread; it waits in one place for the next deadline, the pump, the console and signals.
Tests      tests/unit/test_live_*.py, tests/system/
"""

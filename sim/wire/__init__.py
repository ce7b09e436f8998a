"""Simulated pumps on real wires: the only sockets and the only wall clock of the simulator."""

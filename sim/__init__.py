"""The simulated pump: imports nothing from pump_ctrl, written from the pump documents alone."""

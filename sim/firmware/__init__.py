"""Pump firmware: menus, memory, alarms, wire replies; written from the protocol documents."""

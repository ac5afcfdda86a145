"""Incidents of other tools that must be impossible here (spec/incidents.md), by name.

(being written)
"""

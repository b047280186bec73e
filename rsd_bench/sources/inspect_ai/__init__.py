"""Logs of inspect-ai (`.json`, `.eval`). Entry: `open_inspect`."""

"""Any table of outcomes, through a map that says what its columns hold. Entry: `open_table`."""

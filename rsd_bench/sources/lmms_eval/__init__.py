"""Sample logs of lmms-eval. Entry: `open_lmms_eval`."""

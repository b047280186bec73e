"""Sample logs of lm-eval, texts only. Entry: `open_lm_eval`."""

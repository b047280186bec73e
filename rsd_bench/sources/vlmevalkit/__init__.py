"""Files of VLMEvalKit: a benchmark's TSV, predictions, judge files. Entry: `open_vlmevalkit`."""

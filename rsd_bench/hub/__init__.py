"""Publishing on the Hugging Face Hub: what would change, what may leave, one commit and a tag.

Imports `build` (for the card), `dataset` and what is below. Called by `data diff`, `data push` and `board export-
eval-results`.
"""

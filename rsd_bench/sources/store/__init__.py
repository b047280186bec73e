"""The store: what imports write and everything else reads.

`import_sources` puts opened sources into it, all of a command or none; `merge` says what becomes of what is there;
`store_tables` and `store_media` read and write its files; `outcomes` changes outcomes in place.
"""

"""The router in front of real models: an OpenAI-compatible server, what it measures, and the log that it keeps.

`app` is the server; `asked` reads a request, `deciding` asks the router, `answering` asks the tiers and falls back,
`tiers` and `upstream` make the calls, `journal` and `filing` turn traffic into sources of a store. Imports what stands
below it (`endpoints`, `routers`, `features`, `sources.store`, `dataset`, `config`, `types`); only `cli` imports it.
starlette, uvicorn, aiohttp and prometheus_client come with the extra `serve`, and load when a server starts.
"""

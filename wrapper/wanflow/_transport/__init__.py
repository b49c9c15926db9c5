"""HTTP: a client over a connection pool over a backend (httpx or aiohttp)."""

"""HTTP: a client over a connection pool over a backend (httpx2, httpx or aiohttp)."""

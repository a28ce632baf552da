"""The local API and the page: aiohttp on loopback for people, on a Unix socket for the command line."""

"""The one way to addresses that somebody else gave: `client.GuardedClient`.

    from samgeo_core.net.client import shared_client
    answer = shared_client().get("https://example.org/a.tif", headers={"Range": "bytes=0-16383"})

Nothing else in the project opens a connection to an address that a visitor gave.
"""

"""Middleware that stands before pages and routes: headers, limits, a password, counts."""

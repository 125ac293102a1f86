"""Results people can read: figures of areas, a quicklook picture, a report of one page."""

"""What stands between the pages and the core: files of scenes and runs, jobs, tiles, routes."""

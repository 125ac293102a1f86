"""Sources: what is opened, checked and read as pixels."""

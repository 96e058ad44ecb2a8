"""The SQLite database that the emulated platforms share."""

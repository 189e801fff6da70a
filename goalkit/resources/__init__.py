"""Files that ship with goalkit."""

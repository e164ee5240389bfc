"""Template tags of the shell and of figures; settings.TEMPLATES names each library."""

"""Pages and endpoints of campaigns."""

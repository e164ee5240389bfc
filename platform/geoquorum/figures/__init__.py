"""Figures as SVG text: pure functions, safe-escaped, no inline styles; colours of themes come from the stylesheet."""

"""The formats of a table by the words that choose them."""

FILES = {
    "md": "table.md",
    "latex": "table.tex",
    "csv": "table.csv",
    "json": "table.json",
    "html": "report.html",
}
"""File of each format."""
FORMATS = tuple(FILES)

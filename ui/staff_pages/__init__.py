"""The staff's pages, one module a page; each has ``show(desk)``."""

"""Writers for the example files, one module a family of formats, and the reader that checks them."""

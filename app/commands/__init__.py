"""The command line's verbs, one module a noun; they parse, call and print, nothing else."""

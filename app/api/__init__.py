"""The HTTP API: one router a noun; they parse, call and reply, nothing else."""

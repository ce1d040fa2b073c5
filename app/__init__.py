"""Layer 4: question to cited answer: the chain, the command line, the composition roots."""

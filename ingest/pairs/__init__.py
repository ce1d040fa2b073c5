"""Chunks -> pairs: questions with their answers, made of the passages that the index holds, for training and evaluation."""

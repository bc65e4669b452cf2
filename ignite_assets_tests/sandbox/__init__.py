"""Tests of the sandbox: the world's laws, and the platform's answers over real HTTP."""

"""The engine: encode an image once, decode prompts many times, generate masks of everything."""

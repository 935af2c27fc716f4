"""Values of the engine as text, Markdown or JSON. Pure: a view yields a page (or text) and never prints it itself."""

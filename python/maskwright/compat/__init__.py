"""Stand-ins for other libraries: their names and signatures over this engine. Nothing here is imported by the package itself."""

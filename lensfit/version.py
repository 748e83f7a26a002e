"""The version of lensfit."""
VERSION = "0.1.0.dev0"

"""workbench: fine-tune, export, evaluate and explain a model, and answer for it."""

__version__ = "0.1.0"

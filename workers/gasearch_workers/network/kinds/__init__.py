"""The kinds of layers, each a value in a module: `layer_kinds` finds them here. Standard library only."""

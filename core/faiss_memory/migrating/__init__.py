"""Moving all memories from one store to another, by what every store promises."""

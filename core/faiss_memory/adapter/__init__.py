"""An assistant as a value, and what it declares."""

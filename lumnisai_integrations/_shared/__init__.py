"""Adapter logic that both frameworks share. Framework-free."""

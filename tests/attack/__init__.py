"""The embedded service under attack: what one caller sends must never stop, slow or show another."""

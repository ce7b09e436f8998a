"""Defects that are planted one at a time, to see that the ordinary tests find each of them."""

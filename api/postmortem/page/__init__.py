"""What the page of a post-mortem is made of."""

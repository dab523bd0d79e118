"""An independent model of the books, written from the definitions alone and sharing no code with them."""

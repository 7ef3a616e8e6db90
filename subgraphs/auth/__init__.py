"""Who is who: accounts, sessions and the tokens that stand for them."""

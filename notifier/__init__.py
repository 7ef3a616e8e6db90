"""Who wants to be told what by e-mail, and the mails that tell them."""

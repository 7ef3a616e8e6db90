"""Sends e-mails about retweets to the users who want them."""

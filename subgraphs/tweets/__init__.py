"""Tweets, retweets, timelines and live feeds."""

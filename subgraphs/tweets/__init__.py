"""What people say: tweets, retweets and the timelines made of them."""

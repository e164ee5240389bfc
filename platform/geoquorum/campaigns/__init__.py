"""Who was asked and what they said: campaigns, votes and consensus."""

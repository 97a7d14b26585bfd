"""What the bot asks about chats and their members."""

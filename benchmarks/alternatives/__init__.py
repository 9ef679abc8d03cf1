"""What a user would do without Ambivox, written as users write it."""

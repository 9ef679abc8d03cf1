"""What happens: one step a file. A step reads tables, calls models/ once, writes a table."""

"""The panel's five steps."""

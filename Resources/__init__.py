"""Plain files shared by both modules."""

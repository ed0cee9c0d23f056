"""How features depend on age, sex and scanner in healthy people, and the closed-form age under these norms."""

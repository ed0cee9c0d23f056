"""What a case yields and how it is written."""

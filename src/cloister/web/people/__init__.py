"""Pages on which members log in and look after their accounts: HTML, no framework."""

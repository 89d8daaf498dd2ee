"""Networks and the models beside them, joined by what held-out rows show."""

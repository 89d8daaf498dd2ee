"""From the user's X and y to arrays: tables, targets, features, weights, rows."""

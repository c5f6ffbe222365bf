"""Who signs: keys, the signatures they make, and the file that says which keys are trusted."""
